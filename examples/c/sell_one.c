/* Sells one sneaker and carries its order into the database: sell_one [REDIS_URL [DATABASE]] */
#include <flashsale/flashsale.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char** argv) {
  const char* url = argc > 1 ? argv[1] : "redis://127.0.0.1:6379";
  const char* database = argc > 2 ? argv[2] : "orders.db";
  flashsale_pool_t* pool; flashsale_sink_t* sink; flashsale_controller_t* sales; flashsale_gate_t* gate;
  flashsale_worker_t* worker; flashsale_sale_t* sale; flashsale_error_t* error = NULL;
  flashsale_call_t call = FLASHSALE_CALL_INIT; flashsale_answer_t answer = FLASHSALE_ANSWER_INIT;
  FLASHSALE_SET(call, sale, "spring"), FLASHSALE_SET(call, item, "sneaker-42");
  FLASHSALE_SET(call, buyer, "ann"), FLASHSALE_SET(call, request, "click-1");
  if (flashsale_pool_create(url, strlen(url), NULL, &pool, &error) < 0 ||
      flashsale_sink_create(database, strlen(database), &sink, &error) < 0 ||
      flashsale_controller_create(pool, sink, NULL, &sales, &error) < 0 ||
      flashsale_gate_create(pool, NULL, &gate, &error) < 0 ||
      flashsale_worker_create(pool, sink, NULL, &worker, &error) < 0 ||
      flashsale_sale_create(FLASHSALE_TEXT("spring"), NULL, &sale, &error) < 0 ||
      flashsale_sale_item(sale, FLASHSALE_TEXT("sneaker-42"), 100, 2, &error) < 0 ||
      flashsale_controller_create_sale(sales, sale, &error) < 0 ||
      flashsale_controller_open(sales, FLASHSALE_TEXT("spring"), &error) < 0 ||
      flashsale_gate_reserve(gate, &call, &answer, &error) < 0 ||
      flashsale_worker_drain(worker, 10000, &error) < 0)
    return fprintf(stderr, "%s: %s\n", flashsale_error_name(error), flashsale_error_message(error)), 1;
  printf(answer.epoch != 0 ? "reserved, order %s\n" : "not this time%s\n", answer.order);
  flashsale_sale_destroy(&sale), flashsale_worker_destroy(&worker), flashsale_gate_destroy(&gate);
  flashsale_controller_destroy(&sales), flashsale_sink_destroy(&sink), flashsale_pool_destroy(&pool);
  return 0;
}
