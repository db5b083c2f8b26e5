/* One unit from its creation to the database's row, and every act of the operator on the way. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sqlite3.h>
#include <string.h>

#include "private_redis.h"
#include "shop.h"

static struct shop shop;
static flashsale_error_t* error;

static void check_stored(const flashsale_answer_t* answer) {
  sqlite3* database = NULL;
  sqlite3_stmt* row = NULL;
  CHECK_IS(sqlite3_open(private_redis_path("orders.db"), &database), SQLITE_OK);
  CHECK_IS(sqlite3_prepare_v2(database,
                              "select epoch, seq, idx, buyer, item, quantity, request, payload from flashsale_order",
                              -1, &row, NULL),
           SQLITE_OK);
  CHECK_IS(sqlite3_step(row), SQLITE_ROW);
  CHECK_IS(sqlite3_column_int64(row, 0), answer->epoch);
  CHECK_IS(sqlite3_column_int64(row, 1), answer->seq);
  CHECK_IS(sqlite3_column_int64(row, 2), answer->index);
  CHECK(strcmp((const char*)sqlite3_column_text(row, 3), "ann") == 0);
  CHECK(strcmp((const char*)sqlite3_column_text(row, 4), "sneaker") == 0);
  CHECK_IS(sqlite3_column_int64(row, 5), 1);
  CHECK(strcmp((const char*)sqlite3_column_text(row, 6), "click-1") == 0);
  CHECK_IS(sqlite3_column_bytes(row, 7), 4);
  CHECK(memcmp(sqlite3_column_blob(row, 7), "a\0\nb", 4) == 0);
  CHECK_IS(sqlite3_step(row), SQLITE_DONE);
  sqlite3_finalize(row);
  sqlite3_close(database);
}

/* A gate that is closed leaves what it told and the database has not. */
static void check_receipt(void) {
  sqlite3* database = NULL;
  sqlite3_stmt* row = NULL;
  flashsale_gate_destroy(&shop.gate);
  CHECK_IS(sqlite3_open(private_redis_path("orders.db"), &database), SQLITE_OK);
  CHECK_IS(sqlite3_prepare_v2(database, "select buyer from flashsale_receipt", -1, &row, NULL), SQLITE_OK);
  CHECK_IS(sqlite3_step(row), SQLITE_ROW);
  CHECK(strcmp((const char*)sqlite3_column_text(row, 0), "ann") == 0);
  CHECK_IS(sqlite3_step(row), SQLITE_DONE);
  sqlite3_finalize(row);
  sqlite3_close(database);
  CHECK_DONE(flashsale_gate_create_with_sink(shop.pool, NULL, NULL, &shop.gate, &error)); /* from here on without */
}

static void check_status(int32_t state, const char* phase, int64_t total, int64_t booked) {
  flashsale_status_t status = FLASHSALE_STATUS_INIT;
  flashsale_item_t items[2];
  CHECK_DONE(flashsale_controller_status(shop.controller, FLASHSALE_TEXT("spring"), FLASHSALE_ROLE_PRIMARY, &status,
                                         items, sizeof(items[0]), 2, &error));
  CHECK_IS(status.struct_size, sizeof(status));
  CHECK_IS(status.state, state);
  CHECK(strcmp(status.phase, phase) == 0);
  CHECK_IS(status.item_count, 1);
  CHECK_IS(status.queue, FLASHSALE_QUEUE_JOURNAL);
  CHECK(strcmp(items[0].item, "sneaker") == 0);
  CHECK_IS(items[0].total, total);
  CHECK_IS(items[0].booked, booked);
  CHECK_IS(items[0].limit, 1);
}

static flashsale_answer_t sell(void) {
  flashsale_call_t call = shop_call("ann", "click-1");
  flashsale_answer_t answer = FLASHSALE_ANSWER_INIT, again = FLASHSALE_ANSWER_INIT;
  char order[FLASHSALE_ORDER_CAPACITY];
  call.payload = "a\0\nb";
  call.payload_size = 4;
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, &answer, &error), FLASHSALE_RESERVED);
  CHECK_IS(answer.outcome, FLASHSALE_RESERVED);
  CHECK_IS(answer.level, FLASHSALE_LEVEL_PRIMARY);
  CHECK_IS(answer.remaining, 0);
  snprintf(order, sizeof(order), "%llu-%llu.%u", (unsigned long long)answer.epoch, (unsigned long long)answer.seq,
           (unsigned)answer.index);
  CHECK(answer.epoch > 0 && strcmp(order, answer.order) == 0);
  CHECK_ANSWER(flashsale_gate_call(shop.gate, &call, &again, &error), FLASHSALE_ALREADY_RESERVED);
  CHECK(strcmp(again.order, answer.order) == 0);
  call.verb = FLASHSALE_VERB_RESOLVE;
  CHECK_ANSWER(flashsale_gate_call(shop.gate, &call, &again, &error), FLASHSALE_ALREADY_RESERVED);
  CHECK(strcmp(again.order, answer.order) == 0);
  call = shop_call("bob", "click-2");
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, NULL, &error), FLASHSALE_SOLD_OUT);
  call.verb = FLASHSALE_VERB_STATUS;
  CHECK_ANSWER(flashsale_gate_call(shop.gate, &call, NULL, &error), FLASHSALE_NOT_RESERVED);
  return answer;
}

static void work(void) {
  flashsale_worker_t* worker = NULL;
  flashsale_options_t* options = NULL;
  flashsale_report_t report = FLASHSALE_REPORT_INIT;
  CHECK_DONE(flashsale_options_create(FLASHSALE_ABI, &options, &error));
  CHECK_DONE(flashsale_options_set(options, FLASHSALE_TEXT("worker.sales"), FLASHSALE_TEXT("spring"), &error));
  CHECK_DONE(flashsale_worker_create(shop.pool, shop.sink, options, &worker, &error));
  flashsale_options_destroy(&options);
  CHECK_DONE(flashsale_worker_drain(worker, 20000, &error));
  CHECK_DONE(flashsale_worker_report(worker, &report, &error));
  CHECK_IS(report.orders, 1);
  CHECK(report.waiting_for[0] == '\0');
  flashsale_worker_stop(worker);
  CHECK_DONE(flashsale_worker_run(worker, &error)); /* stopped for good */
  flashsale_worker_destroy(&worker);
}

static void act(void) {
  char info[FLASHSALE_INFO_CAPACITY];
  size_t size = 0;
  flashsale_controller_t* const c = shop.controller;
  CHECK_DONE(
      flashsale_controller_preload(c, FLASHSALE_TEXT("spring"), FLASHSALE_TEXT("sneaker"), "{\"p\"\0", 5, &error));
  CHECK_DONE(flashsale_controller_info(c, FLASHSALE_TEXT("spring"), FLASHSALE_TEXT("sneaker"), info, sizeof(info),
                                       &size, &error));
  CHECK(size == 5 && memcmp(info, "{\"p\"\0", 6) == 0);
  CHECK_DONE(flashsale_controller_info(c, FLASHSALE_TEXT("spring"), FLASHSALE_TEXT("sneaker"), info, 3, &size, &error));
  CHECK(size == 5 && strcmp(info, "{\"") == 0);
  CHECK_ANSWER(flashsale_controller_info(c, FLASHSALE_TEXT("spring"), FLASHSALE_TEXT("hat"), info, 3, &size, &error),
               FLASHSALE_E_NOT_FOUND);
  CHECK_DONE(flashsale_controller_restock(c, FLASHSALE_TEXT("spring"), FLASHSALE_TEXT("sneaker"), 4,
                                          FLASHSALE_TEXT("truck-1"), &error));
  check_status(FLASHSALE_STATE_OPEN, "open", 5, 1);
  CHECK_DONE(flashsale_controller_pause(c, FLASHSALE_TEXT("spring"), &error));
  check_status(FLASHSALE_STATE_PAUSED, "paused", 5, 1);
  CHECK_DONE(flashsale_controller_schedule(c, FLASHSALE_TEXT("spring"), FLASHSALE_UNCHANGED, 0, &error));
  CHECK_DONE(flashsale_controller_resume(c, FLASHSALE_TEXT("spring"), &error));
  CHECK_DONE(flashsale_controller_drain(c, FLASHSALE_TEXT("spring"), &error));
  check_status(FLASHSALE_STATE_DRAINING, "draining", 5, 1);
  CHECK_DONE(flashsale_controller_reconcile(c, FLASHSALE_TEXT("spring"), 10000, &error));
  CHECK_DONE(flashsale_controller_close(c, FLASHSALE_TEXT("spring"), &error));
  check_status(FLASHSALE_STATE_CLOSED, "ended", 5, 1);
  CHECK_DONE(flashsale_controller_retire(c, FLASHSALE_TEXT("spring"), &error));
  CHECK_ANSWER(flashsale_controller_open(c, FLASHSALE_TEXT("spring"), &error), FLASHSALE_E_NOT_FOUND);
}

static void count(void) {
  static char text[65536];
  size_t size = 0, measured = 0;
  CHECK_DONE(flashsale_metrics_text(NULL, 0, &measured, &error));
  CHECK_DONE(flashsale_metrics_text(text, sizeof(text), &size, &error));
  CHECK(size > 1000 && size < sizeof(text) && size == measured && text[size] == '\0');
  CHECK(strstr(text, "flashsale_answers_total{outcome=\"reserved\"} 1\n") != NULL);
}

int main(void) {
  flashsale_answer_t answer;
  /* Another hiredis in the process, as in a host with a client of its own; where there is none, nothing is loaded. */
  (void)dlopen("libhiredis.so.0.14", RTLD_NOW | RTLD_GLOBAL);
  private_redis_start();
  shop = shop_create();
  shop_open_sale(&shop, 1, 1);
  check_status(FLASHSALE_STATE_OPEN, "open", 1, 0);
  answer = sell();
  check_receipt();
  work();
  check_stored(&answer);
  act();
  count();
  shop_destroy(&shop);
  return 0;
}
