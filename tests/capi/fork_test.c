/* Forks: what was not used before works in the child; what was answers `forked` there, and destroying it is harmless,
 * also while the parent's threads were in the middle of something. The parent notices nothing. */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "private_redis.h"
#include "shop.h"

enum { kCalls = 200 };

#ifdef __SANITIZE_THREAD__
/* A child of a process with threads may make its own: that is what is tested here. */
const char* __tsan_default_options(void);
const char* __tsan_default_options(void) { return "die_after_fork=0"; }
#endif

static struct shop shop;
static flashsale_completions_t* completions;
static flashsale_worker_t* worker;
static flashsale_error_t* error;

/* In a child: a failed CHECK, a crash and a hang (the alarm) all show in its status. */
static void in_child(void (*body)(void)) {
  int status = -1;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    alarm(20);
    body();
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void destroy_all(void) {
  flashsale_completions_destroy(&completions);
  flashsale_worker_destroy(&worker);
  shop_destroy(&shop);
  CHECK(completions == NULL && worker == NULL);
}

static void use_fresh(void) {
  flashsale_call_t call = shop_call("child", "fresh-1");
  flashsale_event_t event;
  size_t count = 0;
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, NULL, &error), FLASHSALE_RESERVED);
  call = shop_call("child", "fresh-2");
  CHECK_DONE(flashsale_gate_submit(shop.gate, &call, 1, completions, &count, &error));
  CHECK_DONE(flashsale_completions_drain(completions, &event, sizeof(event), 1, 5000, &count, &error));
  CHECK(count == 1 && event.code == FLASHSALE_RESERVED);
  CHECK_DONE(flashsale_worker_drain(worker, 20000, &error));
  destroy_all();
}

/* Every act, of a controller whose pool and sink are the parent's. */
static void check_foreign_acts(void) {
  flashsale_sale_t* sale = NULL;
  char text[8];
  size_t size = 0;
#define CHECK_FORKED(call) CHECK_ANSWER(call, FLASHSALE_E_FORKED)
  CHECK_DONE(flashsale_sale_create(FLASHSALE_TEXT("autumn"), NULL, &sale, &error));
  CHECK_DONE(flashsale_sale_item(sale, FLASHSALE_TEXT("sneaker"), 1, 1, &error));
  CHECK_FORKED(flashsale_controller_create_sale(shop.controller, sale, &error));
  flashsale_sale_destroy(&sale);
  CHECK_FORKED(flashsale_controller_preload(shop.controller, FLASHSALE_TEXT("spring"), FLASHSALE_TEXT("sneaker"), "x",
                                            1, &error));
  CHECK_FORKED(flashsale_controller_open(shop.controller, FLASHSALE_TEXT("spring"), &error));
  CHECK_FORKED(flashsale_controller_schedule(shop.controller, FLASHSALE_TEXT("spring"), 1, 2, &error));
  CHECK_FORKED(flashsale_controller_pause(shop.controller, FLASHSALE_TEXT("spring"), &error));
  CHECK_FORKED(flashsale_controller_resume(shop.controller, FLASHSALE_TEXT("spring"), &error));
  CHECK_FORKED(flashsale_controller_drain(shop.controller, FLASHSALE_TEXT("spring"), &error));
  CHECK_FORKED(flashsale_controller_close(shop.controller, FLASHSALE_TEXT("spring"), &error));
  CHECK_FORKED(flashsale_controller_retire(shop.controller, FLASHSALE_TEXT("spring"), &error));
  CHECK_FORKED(flashsale_controller_restock(shop.controller, FLASHSALE_TEXT("spring"), FLASHSALE_TEXT("sneaker"), 1,
                                            FLASHSALE_TEXT("op"), &error));
  CHECK_FORKED(flashsale_controller_info(shop.controller, FLASHSALE_TEXT("spring"), FLASHSALE_TEXT("sneaker"), text,
                                         sizeof(text), &size, &error));
  CHECK_FORKED(flashsale_controller_reconcile(shop.controller, FLASHSALE_TEXT("spring"), 5000, &error));
  CHECK_FORKED(flashsale_controller_reopen_accepting_loss(shop.controller, FLASHSALE_TEXT("spring"), 5000, &error));
#undef CHECK_FORKED
}

static void use_foreign(void) {
  const flashsale_call_t call = shop_call("child", "foreign-1");
  flashsale_event_t event;
  flashsale_report_t report = FLASHSALE_REPORT_INIT;
  flashsale_status_t status = FLASHSALE_STATUS_INIT;
  size_t count = 0;
  int32_t fd = 0;
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, NULL, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_gate_call(shop.gate, &call, NULL, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_gate_submit(shop.gate, &call, 1, completions, &count, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_completions_drain(completions, &event, sizeof(event), 1, 0, &count, &error),
               FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_completions_fd(completions, &fd, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_completions_wake(completions, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_completions_outstanding(completions, &count, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_log_enable(completions, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_worker_run(worker, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_worker_drain(worker, 100, &error), FLASHSALE_E_FORKED);
  CHECK_ANSWER(flashsale_worker_report(worker, &report, &error), FLASHSALE_E_FORKED);
  flashsale_worker_stop(worker); /* the parent's goes on */
  CHECK_ANSWER(flashsale_controller_status(shop.controller, FLASHSALE_TEXT("spring"), FLASHSALE_ROLE_PRIMARY, &status,
                                           NULL, 0, 0, &error),
               FLASHSALE_E_FORKED);
  check_foreign_acts();
  destroy_all();
}

/* A child makes its own, while it still has the parent's. */
static void use_own(void) {
  struct shop own = shop_create();
  const flashsale_call_t call = shop_call("child", "own-1");
  CHECK_ANSWER(flashsale_gate_reserve(own.gate, &call, NULL, &error), FLASHSALE_RESERVED);
  shop_destroy(&own);
  destroy_all();
}

static void* run_worker(void* unused) {
  CHECK_IS(flashsale_worker_run(worker, NULL), 0);
  return unused;
}

static void use_in_parent(void) {
  const flashsale_call_t call = shop_call("parent", "used-1");
  int32_t fd = 0;
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, NULL, &error), FLASHSALE_RESERVED);
  CHECK_DONE(flashsale_completions_fd(completions, &fd, &error));
}

/* Calls are under way while the child is made, and all of them are answered here. */
static void fork_under_load(void) {
  static char requests[kCalls][16];
  static flashsale_call_t calls[kCalls];
  static flashsale_event_t events[kCalls];
  size_t count = 0, total = 0;
  int i;
  for (i = 0; i < kCalls; ++i) {
    snprintf(requests[i], sizeof(requests[i]), "load-%d", i);
    calls[i] = shop_call("crowd", requests[i]);
  }
  CHECK_DONE(flashsale_gate_submit(shop.gate, calls, kCalls, completions, &count, &error));
  in_child(use_foreign);
  for (total = 0; total < kCalls; total += count)
    CHECK_DONE(flashsale_completions_drain(completions, events, sizeof(events[0]), kCalls, 5000, &count, &error));
}

int main(void) {
  pthread_t runner;
  private_redis_start();
  shop = shop_create();
  CHECK_DONE(flashsale_completions_create(0, &completions, &error));
  CHECK_DONE(flashsale_worker_create(shop.pool, shop.sink, NULL, &worker, &error));
  in_child(destroy_all); /* nothing was used yet */
  {
    struct shop operator_only = shop_create(); /* so that the sale is open and `shop` is not used */
    shop_open_sale(&operator_only, 1000000, 1000000);
    shop_destroy(&operator_only);
  }
  in_child(use_fresh);
  use_in_parent();
  CHECK_IS(pthread_create(&runner, NULL, run_worker, NULL), 0);
  usleep(100000);
  in_child(use_foreign);
  in_child(use_own);
  for (int round = 0; round < 20; ++round) fork_under_load();
  flashsale_worker_stop(worker);
  pthread_join(runner, NULL);

  destroy_all();
  return 0;
}
