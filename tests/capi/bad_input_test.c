/* Wrong arguments of every kind: a defined error, never a crash. No server is needed: none of it gets that far. */
#include <limits.h>
#include <string.h>

#include "check.h"

#define BAD FLASHSALE_E_INVALID_ARGUMENT

static flashsale_error_t* error;
static flashsale_options_t* options;
static flashsale_pool_t* pool;
static flashsale_sink_t* sink;
static flashsale_sale_t* sale;
static flashsale_controller_t* controller;
static flashsale_completions_t* completions;
static flashsale_gate_t* gate;
static flashsale_worker_t* worker;

static void create_all(void) {
  CHECK_DONE(flashsale_options_create(FLASHSALE_ABI, &options, &error));
  CHECK_DONE(flashsale_pool_create(FLASHSALE_TEXT("redis+unix:///nonexistent/redis.sock"), options, &pool, &error));
  CHECK_DONE(flashsale_sink_create(FLASHSALE_TEXT("sqlite:/nonexistent/orders.db"), &sink, &error));
  CHECK_DONE(flashsale_sale_create(FLASHSALE_TEXT("spring"), options, &sale, &error));
  CHECK_DONE(flashsale_controller_create(pool, sink, options, &controller, &error));
  CHECK_DONE(flashsale_completions_create(0, &completions, &error));
  CHECK_DONE(flashsale_gate_create(pool, options, &gate, &error));
  CHECK_DONE(flashsale_worker_create(pool, sink, options, &worker, &error));
}

/* NULL for everything, with and without an error to fill. */
static void check_nulls(void) {
  flashsale_worker_t* made = worker;
  size_t size = 1;
  int32_t fd = 0;
  CHECK_ANSWER(flashsale_options_create(FLASHSALE_ABI, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_options_set(NULL, NULL, 0, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_options_describe(0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_pool_create(NULL, 0, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_sink_create(NULL, 0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_sale_create(NULL, 0, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_sale_item(NULL, NULL, 0, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_create(NULL, NULL, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_controller_create_sale(NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_controller_create_sale(controller, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_controller_preload(NULL, NULL, 0, NULL, 0, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_open(NULL, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_schedule(NULL, NULL, 0, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_pause(NULL, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_resume(NULL, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_drain(NULL, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_close(NULL, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_restock(NULL, NULL, 0, NULL, 0, 0, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_retire(NULL, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_status(NULL, NULL, 0, 0, NULL, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_info(NULL, NULL, 0, NULL, 0, NULL, 0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_controller_reconcile(NULL, NULL, 0, 1, &error), BAD);
  CHECK_ANSWER(flashsale_controller_reopen_accepting_loss(NULL, NULL, 0, 1, &error), BAD);
  CHECK_ANSWER(flashsale_controller_dead(NULL, NULL, 0, NULL, 0, 0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_controller_dead_retry(NULL, NULL, 0, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_dead_drop(NULL, NULL, 0, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_audit(NULL, NULL, 0, 0, 1, NULL, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_completions_create(0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_completions_drain(NULL, NULL, 0, 0, 0, &size, &error), BAD);
  CHECK_IS(size, 0);
  CHECK_ANSWER(flashsale_completions_drain(NULL, NULL, 0, 0, 0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_completions_fd(NULL, &fd, &error), BAD);
  CHECK_IS(fd, -1);
  CHECK_ANSWER(flashsale_completions_wake(NULL, &error), BAD);
  CHECK_ANSWER(flashsale_completions_outstanding(NULL, &size, &error), BAD);
  CHECK_ANSWER(flashsale_gate_create(NULL, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_reserve(NULL, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_reserve(gate, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_call(NULL, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_submit(NULL, NULL, 1, NULL, &size, &error), BAD);
  CHECK_ANSWER(flashsale_gate_submit(gate, NULL, 1, completions, &size, &error), BAD);
  CHECK_ANSWER(flashsale_worker_create(NULL, NULL, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_worker_create(pool, NULL, NULL, &made, &error), BAD);
  CHECK(made == NULL); /* an out is NULL after an error */
  CHECK_ANSWER(flashsale_worker_run(NULL, &error), BAD);
  CHECK_ANSWER(flashsale_worker_drain(NULL, 1, &error), BAD);
  CHECK_ANSWER(flashsale_worker_report(NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_metrics_text(NULL, 10, &size, &error), BAD);
  CHECK_ANSWER(flashsale_metrics_text(NULL, 0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_log_next(NULL, 10, NULL, &error), BAD);
  CHECK_IS(flashsale_gate_reserve(NULL, NULL, NULL, NULL), BAD);
  flashsale_worker_stop(NULL);
  CHECK(flashsale_codes(NULL) != NULL);
}

/* No error is an error's NULL, and so is a handle of another kind. */
static void check_error_of_nothing(void) {
  flashsale_error_t* const wrong = (flashsale_error_t*)(void*)gate;
  CHECK_IS(flashsale_error_code(NULL), 0);
  CHECK(flashsale_error_name(NULL)[0] == '\0' && flashsale_error_message(NULL)[0] == '\0');
  CHECK_IS(flashsale_error_effect(NULL), 0);
  CHECK_IS(flashsale_error_is_retryable(NULL), 0);
  CHECK_IS(flashsale_error_code(wrong), 0);
  CHECK(flashsale_error_message(wrong)[0] == '\0');
}

static void check_wrong_kinds(void) {
  flashsale_gate_t* stock = (flashsale_gate_t*)(void*)pool;
  flashsale_pool_t* other = NULL;
  flashsale_call_t call = FLASHSALE_CALL_INIT;
  CHECK_ANSWER(flashsale_gate_reserve(stock, &call, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_create((flashsale_pool_t*)(void*)gate, NULL, &stock, &error), BAD);
  CHECK(stock == NULL);
  CHECK_ANSWER(flashsale_pool_create(FLASHSALE_TEXT("redis://h"), (flashsale_options_t*)(void*)sale, &other, &error),
               BAD);
  CHECK_ANSWER(flashsale_log_enable((flashsale_completions_t*)(void*)pool, &error), BAD);
  CHECK_ANSWER(flashsale_gate_reserve((flashsale_gate_t*)(void*)((char*)gate + 1), &call, NULL, &error), BAD);
  stock = (flashsale_gate_t*)(void*)pool;
  flashsale_gate_destroy(&stock); /* not a gate: left alone */
  CHECK(stock == NULL);
  CHECK_DONE(flashsale_gate_create(pool, NULL, &stock, &error)); /* the pool still is one */
  flashsale_gate_destroy(&stock);
}

static void check_texts(void) {
  static char huge[4200];
  flashsale_pool_t* made = NULL;
  flashsale_sink_t* made_sink = NULL;
  memset(huge, 'x', sizeof(huge));
  CHECK_ANSWER(flashsale_pool_create(NULL, 5, NULL, &made, &error), BAD);
  CHECK_ANSWER(flashsale_pool_create("", 0, NULL, &made, &error), BAD);
  CHECK_ANSWER(flashsale_pool_create(huge, sizeof(huge), NULL, &made, &error), BAD);
  CHECK_ANSWER(flashsale_pool_create("redis://h", SIZE_MAX, NULL, &made, &error), BAD);
  CHECK_ANSWER(flashsale_pool_create("redis://h\0x", 11, NULL, &made, &error), BAD);
  CHECK_ANSWER(flashsale_pool_create(FLASHSALE_TEXT("http://h"), NULL, &made, &error), FLASHSALE_E_UNSUPPORTED);
  CHECK(made == NULL);
  CHECK_ANSWER(flashsale_sink_create(huge, sizeof(huge), &made_sink, &error), BAD);
  CHECK_ANSWER(flashsale_sink_create(FLASHSALE_TEXT("gopher:x"), &made_sink, &error), FLASHSALE_E_UNSUPPORTED);
  CHECK_ANSWER(flashsale_controller_open(controller, huge, 65, &error), BAD);
  CHECK_ANSWER(flashsale_controller_open(controller, "sp ring", 7, &error), BAD);
  CHECK_ANSWER(flashsale_controller_open(controller, NULL, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_open(controller, "spring", SIZE_MAX / 2, &error), BAD);
  CHECK_ANSWER(flashsale_controller_schedule(controller, FLASHSALE_TEXT("spring"), -2, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_reconcile(controller, FLASHSALE_TEXT("spring"), 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_reconcile(controller, FLASHSALE_TEXT("spring"), 600001, &error), BAD);
  CHECK_ANSWER(flashsale_worker_drain(worker, 0, &error), BAD);
}

static void check_sales(void) {
  flashsale_sale_t* made = NULL;
  int i;
  CHECK_ANSWER(flashsale_controller_create_sale(controller, sale, &error), BAD); /* no items */
  for (i = 0; i < 200; ++i) CHECK_DONE(flashsale_sale_item(sale, FLASHSALE_TEXT("sneaker"), i, 1, &error));
  CHECK_ANSWER(flashsale_controller_create_sale(controller, sale, &error), BAD);
  CHECK_DONE(flashsale_sale_create(NULL, 0, NULL, &made, &error));
  CHECK_DONE(flashsale_sale_item(made, NULL, 0, INT64_MIN, INT64_MAX, &error));
  CHECK_ANSWER(flashsale_controller_create_sale(controller, made, &error), BAD);
  flashsale_sale_destroy(&made);
}

/* One wrong field of an otherwise right call. */
static flashsale_call_t right_call(void) {
  flashsale_call_t call = FLASHSALE_CALL_INIT;
  FLASHSALE_SET(call, sale, "spring");
  FLASHSALE_SET(call, item, "sneaker");
  FLASHSALE_SET(call, buyer, "ann");
  FLASHSALE_SET(call, request, "click-1");
  call.timeout_ms = 20;
  return call;
}

static void check_calls(void) {
  flashsale_call_t call;
  int32_t answer;
  static char payload[2000];
#define CHECK_WRONG(member, value) \
  call = right_call();             \
  call.member = (value);           \
  CHECK_ANSWER(flashsale_gate_call(gate, &call, NULL, &error), BAD)
  CHECK_WRONG(verb, 0);
  CHECK_WRONG(verb, 6);
  CHECK_WRONG(verb, INT_MIN);
  CHECK_WRONG(sale, NULL);
  CHECK_WRONG(sale_size, 0);
  CHECK_WRONG(sale_size, SIZE_MAX);
  CHECK_WRONG(item_size, 0);
  CHECK_WRONG(buyer, NULL);
  CHECK_WRONG(request_size, 1u << 30);
  CHECK_WRONG(quantity, 0);
  CHECK_WRONG(quantity, 1000001);
  CHECK_WRONG(timeout_ms, 30001);
  CHECK_WRONG(timeout_ms, UINT32_MAX);
  CHECK_WRONG(level, -1);
  CHECK_WRONG(level, 4);
  CHECK_WRONG(payload_size, 1);
#undef CHECK_WRONG
  call = right_call();
  call.payload = payload;
  call.payload_size = sizeof(payload); /* above gate.payload_bytes_max */
  CHECK_ANSWER(flashsale_gate_call(gate, &call, NULL, &error), BAD);
  call = right_call();
  answer = flashsale_gate_call(gate, &call, NULL, &error); /* nothing wrong with it, but there is no server */
  CHECK(answer == FLASHSALE_E_DISCONNECTED || answer == FLASHSALE_E_TIMED_OUT);
  CHECK_IS(flashsale_error_code(error), answer);
  CHECK_IS(flashsale_error_effect(error), FLASHSALE_EFFECT_NONE);
  CHECK_IS(flashsale_error_is_retryable(error), 1);
  CHECK(flashsale_error_name(error)[0] != '\0' && flashsale_error_message(error)[0] != '\0');
  flashsale_error_destroy(&error);
}

static void check_queues(void) {
  flashsale_event_t events[4];
  flashsale_completions_t* made = NULL;
  flashsale_call_t calls[2];
  size_t count = 9;
  calls[0] = right_call();
  calls[1] = right_call();
  CHECK_ANSWER(flashsale_completions_create(1048577, &made, &error), BAD);
  CHECK_ANSWER(flashsale_completions_create(SIZE_MAX, &made, &error), BAD);
  CHECK_ANSWER(flashsale_completions_drain(completions, NULL, sizeof(events[0]), 4, 0, &count, &error), BAD);
  CHECK_ANSWER(flashsale_completions_drain(completions, events, 8, 4, 0, &count, &error), BAD);
  CHECK_ANSWER(flashsale_completions_drain(completions, events, sizeof(events[0]), 0, 0, &count, &error), BAD);
  CHECK_DONE(flashsale_completions_drain(completions, events, sizeof(events[0]), 4, 0, &count, &error));
  CHECK_IS(count, 0);
  CHECK_ANSWER(flashsale_gate_submit(gate, calls, SIZE_MAX, completions, &count, &error), BAD);
  CHECK_DONE(flashsale_gate_submit(gate, NULL, 0, completions, &count, &error));
  calls[1].buyer = NULL; /* with a length: not even a call */
  CHECK_ANSWER(flashsale_gate_submit(gate, calls, 2, completions, &count, &error), BAD);
  CHECK_IS(count, 0);
  calls[1].buyer_size = 0; /* a call with a wrong value: accepted, answered so */
  calls[1].tag = 7;
  CHECK_DONE(flashsale_gate_submit(gate, calls + 1, 1, completions, &count, &error));
  CHECK_DONE(flashsale_completions_drain(completions, events, sizeof(events[0]), 4, 1000, &count, &error));
  CHECK_IS(count, 1);
  CHECK_IS(events[0].code, BAD);
  CHECK_IS(events[0].tag, 7);
}

/* A destroyed handle is NULL, and NULL is an error; destroying twice is harmless. */
static void check_destroyed(void) {
  flashsale_call_t call = right_call();
  int twice;
  for (twice = 0; twice < 2; ++twice) {
    flashsale_options_destroy(&options);
    flashsale_pool_destroy(&pool);
    flashsale_sink_destroy(&sink);
    flashsale_sale_destroy(&sale);
    flashsale_controller_destroy(&controller);
    flashsale_completions_destroy(&completions);
    flashsale_gate_destroy(&gate);
    flashsale_worker_destroy(&worker);
    flashsale_error_destroy(&error);
  }
  CHECK_ANSWER(flashsale_gate_reserve(gate, &call, NULL, &error), BAD);
  flashsale_options_destroy(NULL);
  flashsale_pool_destroy(NULL);
  flashsale_sink_destroy(NULL);
  flashsale_sale_destroy(NULL);
  flashsale_controller_destroy(NULL);
  flashsale_completions_destroy(NULL);
  flashsale_gate_destroy(NULL);
  flashsale_worker_destroy(NULL);
  flashsale_error_destroy(NULL);
}

int main(void) {
  create_all();
  check_nulls();
  check_error_of_nothing();
  check_wrong_kinds();
  check_texts();
  check_sales();
  check_calls();
  check_queues();
  check_destroyed();
  return 0;
}
