/* The operator's look at what went wrong, in a sale in which it did: a Redis that was tampered with sold more than
 * there is. Orders set aside, retried and dropped; both sides compared, and put right. */
#include <string.h>

#include "private_redis.h"
#include "shop.h"

#define SPRING FLASHSALE_TEXT("spring")
#define TWO_MINUTES 120000

static flashsale_dead_t dead[4];
static flashsale_audit_item_t item;

static size_t read_dead(const struct shop* shop) {
  flashsale_error_t* error = NULL;
  size_t count = 0;
  memset(dead, 0xff, sizeof(dead));
  CHECK_DONE(flashsale_controller_dead(shop->controller, SPRING, dead, sizeof(dead[0]), 4, &count, &error));
  return count;
}

static uint64_t audit(const struct shop* shop, int repair) {
  flashsale_error_t* error = NULL;
  uint64_t differing = 99;
  CHECK_DONE(flashsale_controller_audit(shop->controller, SPRING, repair, TWO_MINUTES, &differing, &item, sizeof(item),
                                        1, &error));
  CHECK(strcmp(item.item, "sneaker") == 0);
  return differing;
}

static void carry_orders(const struct shop* shop, uint64_t dead_orders) {
  flashsale_error_t* error = NULL;
  flashsale_worker_t* worker = NULL;
  flashsale_report_t report = FLASHSALE_REPORT_INIT;
  CHECK_DONE(flashsale_worker_create(shop->pool, shop->sink, NULL, &worker, &error));
  CHECK_DONE(flashsale_worker_drain(worker, TWO_MINUTES, &error));
  CHECK_DONE(flashsale_worker_report(worker, &report, &error));
  CHECK_IS(report.dead, dead_orders);
  flashsale_worker_destroy(&worker);
}

static void buy(const struct shop* shop, const char* buyer, int32_t expected) {
  flashsale_error_t* error = NULL;
  flashsale_answer_t answer = FLASHSALE_ANSWER_INIT;
  const flashsale_call_t call = shop_call(buyer, "click");
  CHECK_ANSWER(flashsale_gate_reserve(shop->gate, &call, &answer, &error), expected);
}

/* Three units, five sold: the last two have no place in the database. */
static void oversell(const struct shop* shop) {
  shop_open_sale(shop, 3, 1);
  private_redis_command("HSET fs:{spring}:meta total:1 5\r\n");
  buy(shop, "ann", FLASHSALE_RESERVED);
  buy(shop, "bob", FLASHSALE_RESERVED);
  buy(shop, "cid", FLASHSALE_RESERVED);
  buy(shop, "dan", FLASHSALE_RESERVED);
  buy(shop, "eve", FLASHSALE_RESERVED);
  carry_orders(shop, 2);
  private_redis_command("HSET fs:{spring}:meta total:1 3\r\n");
}

static void dead_orders_are_listed(const struct shop* shop) {
  flashsale_error_t* error = NULL;
  size_t count = 0;
  CHECK_IS(read_dead(shop), 2);
  CHECK(strcmp(dead[0].buyer, "dan") == 0 && strcmp(dead[1].buyer, "eve") == 0);
  CHECK(strcmp(dead[0].item, "sneaker") == 0 && strcmp(dead[0].request, "click") == 0);
  CHECK(strcmp(dead[0].reason, "OVERSOLD") == 0 && strchr(dead[0].order, '-') != NULL);
  CHECK(dead[0].quantity == 1 && dead[0].fate == FLASHSALE_FATE_DEAD);
  CHECK_DONE(flashsale_controller_dead(shop->controller, SPRING, NULL, 0, 0, &count, &error));
  CHECK_IS(count, 2);
  CHECK_DONE(flashsale_controller_dead(shop->controller, SPRING, dead, sizeof(dead[0]), 1, &count, &error));
  CHECK_IS(count, 2);
  buy(shop, "dan", FLASHSALE_DEAD);
}

static void one_is_retried_and_one_dropped(const struct shop* shop) {
  flashsale_error_t* error = NULL;
  char retried[FLASHSALE_ORDER_CAPACITY];
  char dropped[FLASHSALE_ORDER_CAPACITY];
  int i;
  read_dead(shop);
  memcpy(retried, dead[0].order, sizeof(retried));
  memcpy(dropped, dead[1].order, sizeof(dropped));
  CHECK_ANSWER(flashsale_controller_dead_retry(shop->controller, SPRING, retried, strlen(retried), &error),
               FLASHSALE_E_CONFLICT); /* there is no unit for it yet */
  CHECK_DONE(flashsale_controller_restock(shop->controller, SPRING, FLASHSALE_TEXT("sneaker"), 1,
                                          FLASHSALE_TEXT("found"), &error));
  for (i = 0; i < 2; ++i) { /* repeating is harmless */
    CHECK_DONE(flashsale_controller_dead_retry(shop->controller, SPRING, retried, strlen(retried), &error));
    CHECK_DONE(flashsale_controller_dead_drop(shop->controller, SPRING, dropped, strlen(dropped), &error));
  }
  CHECK_ANSWER(flashsale_controller_dead_drop(shop->controller, SPRING, retried, strlen(retried), &error),
               FLASHSALE_E_CONFLICT);
  CHECK_ANSWER(flashsale_controller_dead_retry(shop->controller, SPRING, FLASHSALE_TEXT("1-1.99"), &error),
               FLASHSALE_E_NOT_FOUND);
  CHECK_IS(read_dead(shop), 2);
  CHECK_IS(dead[0].fate, FLASHSALE_FATE_RETRIED);
  CHECK_IS(dead[1].fate, FLASHSALE_FATE_DROPPED);
  buy(shop, "dan", FLASHSALE_ALREADY_RESERVED);
  buy(shop, "eve", FLASHSALE_ALREADY_RELEASED);
}

static void an_audit_finds_what_differs_and_puts_it_right(const struct shop* shop) {
  CHECK_IS(audit(shop, 0), 0);
  CHECK_IS(item.total, 4);
  CHECK_IS(item.held, 4);
  CHECK_IS(item.available + item.confirmed + item.dead + item.returning, 0);
  CHECK_IS(item.difference, 0);
  private_redis_command("HDEL fs:{spring}:buyers ann\r\n");
  private_redis_command("HINCRBY fs:{spring}:meta booked:1 -1\r\n");
  CHECK_IS(audit(shop, 0), 1);
  CHECK_IS(item.available, 1);
  CHECK_IS(item.difference, 1);
  CHECK_IS(audit(shop, 1), 0);
  CHECK_IS(item.difference, 0);
  buy(shop, "ann", FLASHSALE_ALREADY_RESERVED);
}

int main(void) {
  struct shop shop;
  private_redis_start();
  shop = shop_create();
  oversell(&shop);
  dead_orders_are_listed(&shop);
  one_is_retried_and_one_dropped(&shop);
  an_audit_finds_what_differs_and_puts_it_right(&shop);
  shop_destroy(&shop);
  return 0;
}
