/* The completion queue in an epoll loop:
 *   1. the descriptor is quiet while nothing was submitted
 *   2. 1,000 calls are submitted in one array; epoll says readable, drains give each tag exactly once
 *   3. once all are drained the descriptor is quiet again, and nothing is outstanding
 *   4. a full queue is busy, says how many it took, and those are answered
 *   5. wake makes the descriptor readable until the next drain, and ends a drain that waits
 *   6. a gate destroyed with calls under way answers each exactly once
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "private_redis.h"
#include "shop.h"

enum { kCalls = 1000 };

static struct shop shop;
static flashsale_error_t* error;
static char buyers[kCalls][16];
static flashsale_call_t calls[kCalls];
static flashsale_event_t events[kCalls];

static void prepare_calls(const char* request) {
  int i;
  for (i = 0; i < kCalls; ++i) {
    snprintf(buyers[i], sizeof(buyers[i]), "buyer-%d", i);
    calls[i] = shop_call(buyers[i], request);
    calls[i].tag = (uint64_t)i;
  }
}

/* Drains until `wanted` events came; each tag exactly once. */
static void collect(flashsale_completions_t* completions, size_t wanted, int32_t outcome) {
  static unsigned char seen[kCalls];
  size_t total = 0, count = 0, i;
  memset(seen, 0, sizeof(seen));
  while (total < wanted) {
    CHECK_DONE(flashsale_completions_drain(completions, events, sizeof(events[0]), kCalls, 5000, &count, &error));
    CHECK(count > 0);
    for (i = 0; i < count; ++i) {
      CHECK(events[i].tag < kCalls && !seen[events[i].tag]);
      seen[events[i].tag] = 1;
      if (outcome != 0) CHECK_IS(events[i].code, outcome);
    }
    total += count;
  }
  CHECK_IS(total, wanted);
  CHECK_DONE(flashsale_completions_outstanding(completions, &count, &error));
  CHECK_IS(count, 0);
}

static void check_epoll(flashsale_completions_t* completions) {
  struct epoll_event ready;
  size_t accepted = 0;
  int32_t fd = -1;
  const int loop = epoll_create1(EPOLL_CLOEXEC);
  CHECK_DONE(flashsale_completions_fd(completions, &fd, &error));
  memset(&ready, 0, sizeof(ready));
  ready.events = EPOLLIN;
  CHECK(loop >= 0 && fd >= 0 && epoll_ctl(loop, EPOLL_CTL_ADD, fd, &ready) == 0);
  CHECK_IS(epoll_wait(loop, &ready, 1, 0), 0);
  prepare_calls("r-1");
  CHECK_DONE(flashsale_gate_submit(shop.gate, calls, kCalls, completions, &accepted, &error));
  CHECK_IS(accepted, kCalls);
  CHECK_IS(epoll_wait(loop, &ready, 1, 5000), 1);
  collect(completions, kCalls, FLASHSALE_RESERVED);
  CHECK_IS(epoll_wait(loop, &ready, 1, 0), 0);
  CHECK_DONE(flashsale_completions_wake(completions, &error));
  CHECK_IS(epoll_wait(loop, &ready, 1, 0), 1);
  CHECK_DONE(flashsale_completions_drain(completions, events, sizeof(events[0]), 1, 0, &accepted, &error));
  CHECK_IS(epoll_wait(loop, &ready, 1, 0), 0);
  close(loop);
}

static void check_full(void) {
  flashsale_completions_t* small = NULL;
  size_t accepted = 0;
  prepare_calls("r-2");
  CHECK_DONE(flashsale_completions_create(3, &small, &error));
  CHECK_ANSWER(flashsale_gate_submit(shop.gate, calls, 10, small, &accepted, &error), FLASHSALE_E_BUSY);
  CHECK_IS(accepted, 3);
  collect(small, 3, 0);
  flashsale_completions_destroy(&small);
}

static void* wake_soon(void* completions) {
  usleep(50000);
  CHECK_IS(flashsale_completions_wake(completions, NULL), 0);
  return NULL;
}

static void check_wake(flashsale_completions_t* completions) {
  pthread_t waker;
  size_t count = 1;
  CHECK_IS(pthread_create(&waker, NULL, wake_soon, completions), 0);
  CHECK_DONE(flashsale_completions_drain(completions, events, sizeof(events[0]), 1, 60000, &count, &error));
  CHECK_IS(count, 0);
  pthread_join(waker, NULL);
}

static void check_destroyed_gate(flashsale_completions_t* completions) {
  size_t accepted = 0;
  int i;
  prepare_calls("r-3");
  for (i = 0; i < kCalls; ++i) calls[i].timeout_ms = 1000;
  private_redis_freeze();
  CHECK_DONE(flashsale_gate_submit(shop.gate, calls, kCalls, completions, &accepted, &error));
  flashsale_gate_destroy(&shop.gate);
  private_redis_thaw();
  collect(completions, kCalls, 0);
}

int main(void) {
  flashsale_completions_t* completions = NULL;
  private_redis_start();
  shop = shop_create();
  shop_open_sale(&shop, 100000, 100);
  CHECK_DONE(flashsale_completions_create(0, &completions, &error));
  check_epoll(completions);
  check_full();
  check_wake(completions);
  check_destroyed_gate(completions);
  flashsale_completions_destroy(&completions);
  shop_destroy(&shop);
  return 0;
}
