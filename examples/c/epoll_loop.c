/* 1,000 buyers want 100 sneakers, in an event loop with one thread: epoll_loop [REDIS_URL [DATABASE]] */
#include <flashsale/flashsale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { kBuyers = 1000 };

static flashsale_error_t* error;

static void need(int32_t result) {
  if (result >= 0) return;
  fprintf(stderr, "%s: %s\n", flashsale_error_name(error), flashsale_error_message(error));
  exit(1);
}

static void open_sale(flashsale_pool_t* pool, const char* database) {
  flashsale_sink_t* sink; flashsale_controller_t* sales; flashsale_sale_t* sale;
  need(flashsale_sink_create(database, strlen(database), &sink, &error));
  need(flashsale_controller_create(pool, sink, NULL, &sales, &error));
  need(flashsale_sale_create(FLASHSALE_TEXT("crowd"), NULL, &sale, &error));
  need(flashsale_sale_item(sale, FLASHSALE_TEXT("sneaker-42"), 100, 1, &error));
  need(flashsale_controller_create_sale(sales, sale, &error));
  need(flashsale_controller_open(sales, FLASHSALE_TEXT("crowd"), &error));
  flashsale_sale_destroy(&sale), flashsale_controller_destroy(&sales), flashsale_sink_destroy(&sink);
}

int main(int argc, char** argv) {
  static char buyers[kBuyers][16];
  static flashsale_call_t calls[kBuyers];
  const flashsale_call_t init = FLASHSALE_CALL_INIT;
  const char* url = argc > 1 ? argv[1] : "redis://127.0.0.1:6379";
  flashsale_pool_t* pool; flashsale_gate_t* gate; flashsale_completions_t* completions;
  flashsale_event_t events[64]; int32_t fd;
  struct epoll_event ready = {.events = EPOLLIN};
  size_t count = 0, answered = 0, won = 0, i;
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  need(flashsale_pool_create(url, strlen(url), NULL, &pool, &error));
  open_sale(pool, argc > 2 ? argv[2] : "orders.db");
  need(flashsale_gate_create(pool, NULL, &gate, &error));
  need(flashsale_completions_create(0, &completions, &error));
  need(flashsale_completions_fd(completions, &fd, &error));
  epoll_ctl(loop, EPOLL_CTL_ADD, fd, &ready); /* beside the sockets that the server has */
  for (i = 0; i < kBuyers; calls[i].tag = i, ++i) {
    calls[i] = init, calls[i].timeout_ms = 5000;
    FLASHSALE_SET(calls[i], sale, "crowd"), FLASHSALE_SET(calls[i], item, "sneaker-42");
    FLASHSALE_SET(calls[i], request, "click-1");
    calls[i].buyer = buyers[i], calls[i].buyer_size = (size_t)snprintf(buyers[i], 16, "buyer-%zu", i);
  }
  for (need(flashsale_gate_submit(gate, calls, kBuyers, completions, &count, &error)); answered < kBuyers;) {
    if (epoll_wait(loop, &ready, 1, -1) < 1) continue;
    need(flashsale_completions_drain(completions, events, sizeof(events[0]), 64, 0, &count, &error));
    for (i = 0; i < count; ++i) won += events[i].epoch != 0; /* has an order */
    answered += count;
  }
  printf("%zu of %d buyers won\n", won, kBuyers);
  flashsale_gate_destroy(&gate), flashsale_completions_destroy(&completions), flashsale_pool_destroy(&pool);
  return 0;
}
