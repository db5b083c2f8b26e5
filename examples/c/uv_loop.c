/* A thousand buyers at once, through a libuv loop that only submits and drains: uv_loop [REDIS_URL [DATABASE]] */
#include <flashsale/flashsale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { kBuyers = 1000 };

static flashsale_error_t* error;
static void need(int32_t code) {
  if (code >= 0) return;
  fprintf(stderr, "%s: %s\n", flashsale_error_name(error), flashsale_error_message(error));
  exit(1);
}

static void open_sale(flashsale_pool_t* pool, const char* database) {
  flashsale_sink_t* sink; flashsale_controller_t* sales; flashsale_sale_t* sale;
  need(flashsale_sink_create(database, strlen(database), &sink, &error));
  need(flashsale_controller_create(pool, sink, NULL, &sales, &error));
  need(flashsale_sale_create(FLASHSALE_TEXT("uv"), NULL, &sale, &error));
  need(flashsale_sale_item(sale, FLASHSALE_TEXT("sneaker-42"), 100, 1, &error));
  need(flashsale_controller_create_sale(sales, sale, &error));
  need(flashsale_controller_open(sales, FLASHSALE_TEXT("uv"), &error));
  flashsale_sale_destroy(&sale), flashsale_controller_destroy(&sales), flashsale_sink_destroy(&sink);
}

static flashsale_completions_t* completions;
static size_t answered, won;
static void on_answers(uv_poll_t* poll, int status, int what) {
  flashsale_event_t events[64]; size_t count, i; /* more than 64 are there again on the loop's next turn */
  need(flashsale_completions_drain(completions, events, sizeof(events[0]), 64, 0, &count, &error));
  for (i = 0; i < count; ++i) won += events[i].epoch != 0; /* has an order */
  if ((answered += count) == kBuyers || status < 0 || what == 0) uv_close((uv_handle_t*)poll, NULL); /* ends the loop */
}

int main(int argc, char** argv) {
  static char buyers[kBuyers][16];
  static flashsale_call_t calls[kBuyers];
  const flashsale_call_t init = FLASHSALE_CALL_INIT;
  const char* url = argc > 1 ? argv[1] : "redis://127.0.0.1:6379";
  flashsale_pool_t* pool; flashsale_gate_t* gate; int32_t fd; uv_poll_t poll; size_t i;
  need(flashsale_pool_create(url, strlen(url), NULL, &pool, &error));
  open_sale(pool, argc > 2 ? argv[2] : "orders.db");
  need(flashsale_gate_create(pool, NULL, &gate, &error)), need(flashsale_completions_create(0, &completions, &error));
  need(flashsale_completions_fd(completions, &fd, &error));
  uv_poll_init(uv_default_loop(), &poll, fd), uv_poll_start(&poll, UV_READABLE, on_answers); /* beside all else */
  for (i = 0; i < kBuyers; calls[i].tag = i, ++i) {
    calls[i] = init, calls[i].timeout_ms = 5000;
    FLASHSALE_SET(calls[i], sale, "uv"), FLASHSALE_SET(calls[i], item, "sneaker-42");
    FLASHSALE_SET(calls[i], request, "click-1");
    calls[i].buyer = buyers[i], calls[i].buyer_size = (size_t)snprintf(buyers[i], 16, "buyer-%zu", i);
  }
  need(flashsale_gate_submit(gate, calls, kBuyers, completions, &i, &error)), uv_run(uv_default_loop(), UV_RUN_DEFAULT);
  printf("%zu of %d buyers won\n", won, kBuyers), uv_loop_close(uv_default_loop());
  flashsale_gate_destroy(&gate), flashsale_completions_destroy(&completions), flashsale_pool_destroy(&pool);
  return 0;
}
