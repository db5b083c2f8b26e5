/* Argument by argument of every function: each handle of every other kind, each text in every wrong way, each number
 * past its bounds, each out missing. No server is needed: none of it gets that far. */
#include <limits.h>
#include <string.h>

#include "check.h"

#define BAD FLASHSALE_E_INVALID_ARGUMENT
#define SALE FLASHSALE_TEXT("spring")
#define ITEM FLASHSALE_TEXT("sneaker")

static flashsale_error_t* error;
static flashsale_options_t* options;
static flashsale_pool_t* pool;
static flashsale_sink_t* sink;
static flashsale_sale_t* sale;
static flashsale_controller_t* controller;
static flashsale_completions_t* completions;
static flashsale_gate_t* gate;
static flashsale_worker_t* worker;

/* What is no handle of the kind asked for: NULL, the others, and an address in the middle of one. */
static void* strangers[10];

static void create_all(void) {
  CHECK_DONE(flashsale_options_create(FLASHSALE_ABI, &options, &error));
  CHECK_DONE(flashsale_pool_create(FLASHSALE_TEXT("redis+unix:///nonexistent/redis.sock"), NULL, &pool, &error));
  CHECK_DONE(flashsale_sink_create(FLASHSALE_TEXT("sqlite:/nonexistent/orders.db"), &sink, &error));
  CHECK_DONE(flashsale_sale_create(SALE, NULL, &sale, &error));
  CHECK_DONE(flashsale_controller_create(pool, sink, NULL, &controller, &error));
  CHECK_DONE(flashsale_completions_create(0, &completions, &error));
  CHECK_DONE(flashsale_gate_create(pool, NULL, &gate, &error));
  CHECK_DONE(flashsale_worker_create(pool, sink, NULL, &worker, &error));
  strangers[0] = NULL;
  strangers[1] = options;
  strangers[2] = pool;
  strangers[3] = sink;
  strangers[4] = sale;
  strangers[5] = controller;
  strangers[6] = completions;
  strangers[7] = gate;
  strangers[8] = worker;
  strangers[9] = (char*)gate + 3;
}

static void destroy_all(void) {
  flashsale_worker_destroy(&worker);
  flashsale_gate_destroy(&gate);
  flashsale_completions_destroy(&completions);
  flashsale_controller_destroy(&controller);
  flashsale_sale_destroy(&sale);
  flashsale_sink_destroy(&sink);
  flashsale_pool_destroy(&pool);
  flashsale_options_destroy(&options);
}

/* `call`, with `wrong` in the place of a handle of `type` that is `right`; `from` 1 where NULL may be given. */
#define CHECK_STRANGERS(type, right, from, call)  \
  for (i = (from); i < 10; ++i) {                 \
    type* const wrong = (type*)strangers[i];      \
    if (strangers[i] == (void*)(right)) continue; \
    CHECK_ANSWER(call, BAD);                      \
  }

static void check_makers(void) {
  flashsale_pool_t* a_pool = NULL;
  flashsale_sale_t* a_sale = NULL;
  flashsale_controller_t* a_controller = NULL;
  flashsale_gate_t* a_gate = NULL;
  flashsale_worker_t* a_worker = NULL;
  size_t i;
  CHECK_STRANGERS(flashsale_options_t, options, 1,
                  flashsale_pool_create(FLASHSALE_TEXT("redis://h"), wrong, &a_pool, &error))
  CHECK_STRANGERS(flashsale_options_t, options, 1, flashsale_sale_create(SALE, wrong, &a_sale, &error))
  CHECK_STRANGERS(flashsale_pool_t, pool, 0, flashsale_controller_create(wrong, sink, NULL, &a_controller, &error))
  CHECK_STRANGERS(flashsale_sink_t, sink, 1, flashsale_controller_create(pool, wrong, NULL, &a_controller, &error))
  CHECK_STRANGERS(flashsale_options_t, options, 1,
                  flashsale_controller_create(pool, sink, wrong, &a_controller, &error))
  CHECK_STRANGERS(flashsale_pool_t, pool, 0, flashsale_gate_create(wrong, NULL, &a_gate, &error))
  CHECK_STRANGERS(flashsale_options_t, options, 1, flashsale_gate_create(pool, wrong, &a_gate, &error))
  CHECK_STRANGERS(flashsale_pool_t, pool, 0, flashsale_gate_create_with_sink(wrong, sink, NULL, &a_gate, &error))
  CHECK_STRANGERS(flashsale_sink_t, sink, 1, flashsale_gate_create_with_sink(pool, wrong, NULL, &a_gate, &error))
  CHECK_STRANGERS(flashsale_options_t, options, 1, flashsale_gate_create_with_sink(pool, sink, wrong, &a_gate, &error))
  CHECK_STRANGERS(flashsale_pool_t, pool, 0, flashsale_worker_create(wrong, sink, NULL, &a_worker, &error))
  CHECK_STRANGERS(flashsale_sink_t, sink, 0, flashsale_worker_create(pool, wrong, NULL, &a_worker, &error))
  CHECK_STRANGERS(flashsale_options_t, options, 1, flashsale_worker_create(pool, sink, wrong, &a_worker, &error))
  CHECK(a_pool == NULL && a_sale == NULL && a_controller == NULL && a_gate == NULL && a_worker == NULL);
  CHECK_ANSWER(flashsale_pool_create(FLASHSALE_TEXT("redis://h"), NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_sink_create(FLASHSALE_TEXT("orders.db"), NULL, &error), BAD);
  CHECK_ANSWER(flashsale_sale_create(SALE, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_controller_create(pool, sink, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_create(pool, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_create_with_sink(pool, sink, NULL, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_worker_create(pool, sink, NULL, NULL, &error), BAD);
}

static void check_controllers(void) {
  flashsale_status_t status = FLASHSALE_STATUS_INIT;
  uint64_t differing = 1;
  char text[8];
  size_t i, size = 1;
#define CHECK_CONTROLLERS(call) CHECK_STRANGERS(flashsale_controller_t, controller, 0, call)
  CHECK_CONTROLLERS(flashsale_controller_create_sale(wrong, sale, &error))
  CHECK_STRANGERS(flashsale_sale_t, sale, 0, flashsale_controller_create_sale(controller, wrong, &error))
  CHECK_CONTROLLERS(flashsale_controller_preload(wrong, SALE, ITEM, NULL, 0, &error))
  CHECK_CONTROLLERS(flashsale_controller_open(wrong, SALE, &error))
  CHECK_CONTROLLERS(flashsale_controller_schedule(wrong, SALE, 0, 0, &error))
  CHECK_CONTROLLERS(flashsale_controller_pause(wrong, SALE, &error))
  CHECK_CONTROLLERS(flashsale_controller_resume(wrong, SALE, &error))
  CHECK_CONTROLLERS(flashsale_controller_drain(wrong, SALE, &error))
  CHECK_CONTROLLERS(flashsale_controller_close(wrong, SALE, &error))
  CHECK_CONTROLLERS(flashsale_controller_restock(wrong, SALE, ITEM, 1, FLASHSALE_TEXT("op"), &error))
  CHECK_CONTROLLERS(flashsale_controller_retire(wrong, SALE, &error))
  CHECK_CONTROLLERS(flashsale_controller_status(wrong, SALE, 0, &status, NULL, 0, 0, &error))
  CHECK_CONTROLLERS(flashsale_controller_info(wrong, SALE, ITEM, text, sizeof(text), &size, &error))
  CHECK_CONTROLLERS(flashsale_controller_reconcile(wrong, SALE, 1, &error))
  CHECK_CONTROLLERS(flashsale_controller_reopen_accepting_loss(wrong, SALE, 1, &error))
  CHECK_CONTROLLERS(flashsale_controller_dead(wrong, SALE, NULL, 0, 0, &size, &error))
  CHECK_CONTROLLERS(flashsale_controller_dead_retry(wrong, SALE, FLASHSALE_TEXT("1-1.0"), &error))
  CHECK_CONTROLLERS(flashsale_controller_dead_drop(wrong, SALE, FLASHSALE_TEXT("1-1.0"), &error))
  CHECK_CONTROLLERS(flashsale_controller_audit(wrong, SALE, 0, 1, &differing, NULL, 0, 0, &error))
#undef CHECK_CONTROLLERS
}

static void check_others(void) {
  const flashsale_call_t call = FLASHSALE_CALL_INIT;
  flashsale_report_t report = FLASHSALE_REPORT_INIT;
  flashsale_event_t event;
  size_t i, count = 1;
  int32_t fd = 1;
  CHECK_STRANGERS(flashsale_options_t, options, 0,
                  flashsale_options_set(wrong, FLASHSALE_TEXT("gate.lanes"), FLASHSALE_TEXT("1"), &error))
  CHECK_STRANGERS(flashsale_sale_t, sale, 0, flashsale_sale_item(wrong, ITEM, 1, 1, &error))
  CHECK_STRANGERS(flashsale_completions_t, completions, 0,
                  flashsale_completions_drain(wrong, &event, sizeof(event), 1, 0, &count, &error))
  CHECK_STRANGERS(flashsale_completions_t, completions, 0, flashsale_completions_fd(wrong, &fd, &error))
  CHECK_STRANGERS(flashsale_completions_t, completions, 0, flashsale_completions_wake(wrong, &error))
  CHECK_STRANGERS(flashsale_completions_t, completions, 0, flashsale_completions_outstanding(wrong, &count, &error))
  CHECK_STRANGERS(flashsale_completions_t, completions, 1, flashsale_log_enable(wrong, &error))
  CHECK_STRANGERS(flashsale_gate_t, gate, 0, flashsale_gate_reserve(wrong, &call, NULL, &error))
  CHECK_STRANGERS(flashsale_gate_t, gate, 0, flashsale_gate_call(wrong, &call, NULL, &error))
  CHECK_STRANGERS(flashsale_gate_t, gate, 0, flashsale_gate_submit(wrong, &call, 1, completions, &count, &error))
  CHECK_STRANGERS(flashsale_completions_t, completions, 0, flashsale_gate_submit(gate, &call, 1, wrong, &count, &error))
  CHECK_STRANGERS(flashsale_worker_t, worker, 0, flashsale_worker_run(wrong, &error))
  CHECK_STRANGERS(flashsale_worker_t, worker, 0, flashsale_worker_drain(wrong, 1, &error))
  CHECK_STRANGERS(flashsale_worker_t, worker, 0, flashsale_worker_report(wrong, &report, &error))
  for (i = 0; i < 10; ++i)
    if (strangers[i] != (void*)worker) flashsale_worker_stop((flashsale_worker_t*)strangers[i]);
  CHECK_IS(count, 0);
  CHECK_IS(fd, -1);
}

/* A destroy of another kind leaves the handle alone, and takes only the caller's pointer. */
#define CHECK_DESTROYS(kind, right)                                    \
  for (i = 0; i < 10; ++i) {                                           \
    flashsale_##kind##_t* wrong = (flashsale_##kind##_t*)strangers[i]; \
    if (strangers[i] == (void*)(right)) continue;                      \
    flashsale_##kind##_destroy(&wrong);                                \
    CHECK(wrong == NULL);                                              \
  }

static void check_destroys(void) {
  size_t i;
  CHECK_DESTROYS(options, options)
  CHECK_DESTROYS(pool, pool)
  CHECK_DESTROYS(sink, sink)
  CHECK_DESTROYS(sale, sale)
  CHECK_DESTROYS(controller, controller)
  CHECK_DESTROYS(completions, completions)
  CHECK_DESTROYS(gate, gate)
  CHECK_DESTROYS(worker, worker)
  CHECK_DESTROYS(error, NULL)
}

static char huge[70000];

/* Ids that none may be, whatever it names. */
static const struct {
  const char* data;
  size_t size;
} kBadIds[] = {{NULL, 1},
               {NULL, SIZE_MAX},
               {NULL, 0},
               {"", 0},
               {huge, 65},
               {huge, sizeof(huge)},
               {"a b", 3},
               {"a\0b", 3},
               {"\xff", 1},
               {"a\n", 2},
               {"a/b", 3},
               {"{a}", 3},
               {"spring", SIZE_MAX},
               {"spring", SIZE_MAX / 2},
               {"spring", 1u << 30}};
enum { kBadIdCount = sizeof(kBadIds) / sizeof(kBadIds[0]) };

static void check_ids(void) {
  flashsale_status_t status = FLASHSALE_STATUS_INIT;
  uint64_t differing = 1;
  char text[8];
  size_t i, size = 1;
  for (i = 0; i < kBadIdCount; ++i) {
    const char* const id = kBadIds[i].data;
    const size_t length = kBadIds[i].size;
    CHECK_ANSWER(flashsale_controller_preload(controller, id, length, ITEM, "x", 1, &error), BAD);
    CHECK_ANSWER(flashsale_controller_preload(controller, SALE, id, length, "x", 1, &error), BAD);
    CHECK_ANSWER(flashsale_controller_open(controller, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_schedule(controller, id, length, 1, 2, &error), BAD);
    CHECK_ANSWER(flashsale_controller_pause(controller, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_resume(controller, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_drain(controller, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_close(controller, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_restock(controller, id, length, ITEM, 1, FLASHSALE_TEXT("op"), &error), BAD);
    CHECK_ANSWER(flashsale_controller_restock(controller, SALE, id, length, 1, FLASHSALE_TEXT("op"), &error), BAD);
    CHECK_ANSWER(flashsale_controller_restock(controller, SALE, ITEM, 1, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_retire(controller, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_status(controller, id, length, 0, &status, NULL, 0, 0, &error), BAD);
    CHECK_ANSWER(flashsale_controller_info(controller, id, length, ITEM, text, sizeof(text), &size, &error), BAD);
    CHECK_ANSWER(flashsale_controller_info(controller, SALE, id, length, text, sizeof(text), &size, &error), BAD);
    CHECK_ANSWER(flashsale_controller_reconcile(controller, id, length, 1, &error), BAD);
    CHECK_ANSWER(flashsale_controller_reopen_accepting_loss(controller, id, length, 1, &error), BAD);
    CHECK_ANSWER(flashsale_controller_dead(controller, id, length, NULL, 0, 0, &size, &error), BAD);
    CHECK_ANSWER(flashsale_controller_dead_retry(controller, id, length, FLASHSALE_TEXT("1-1.0"), &error), BAD);
    CHECK_ANSWER(flashsale_controller_dead_retry(controller, SALE, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_dead_drop(controller, id, length, FLASHSALE_TEXT("1-1.0"), &error), BAD);
    CHECK_ANSWER(flashsale_controller_dead_drop(controller, SALE, id, length, &error), BAD);
    CHECK_ANSWER(flashsale_controller_audit(controller, id, length, 0, 1, &differing, NULL, 0, 0, &error), BAD);
  }
}

/* The ids of a call, each in its turn; also through submit, where it is an event or no call at all. */
static void check_call_ids(void) {
  static const int kVerbs[] = {FLASHSALE_VERB_RESERVE, FLASHSALE_VERB_RESOLVE, FLASHSALE_VERB_STATUS};
  size_t i, verb, field;
  for (i = 0; i < kBadIdCount; ++i)
    for (verb = 0; verb < 3; ++verb)
      for (field = 0; field < 4; ++field) {
        flashsale_call_t call = FLASHSALE_CALL_INIT;
        flashsale_event_t event;
        size_t count = 0;
        FLASHSALE_SET(call, sale, "spring");
        FLASHSALE_SET(call, buyer, "ann");
        FLASHSALE_SET(call, request, "click-1");
        if (verb == 0) FLASHSALE_SET(call, item, "sneaker");
        if (field == 3 && verb != 0) continue; /* only reserve has an item */
        call.verb = kVerbs[verb];
        *(field == 0   ? &call.sale
          : field == 1 ? &call.buyer
          : field == 2 ? &call.request
                       : &call.item) = kBadIds[i].data;
        *(field == 0   ? &call.sale_size
          : field == 1 ? &call.buyer_size
          : field == 2 ? &call.request_size
                       : &call.item_size) = kBadIds[i].size;
        CHECK_ANSWER(flashsale_gate_call(gate, &call, NULL, &error), BAD);
        if (flashsale_gate_submit(gate, &call, 1, completions, &count, &error) == 0) {
          CHECK_IS(count, 1);
          CHECK_DONE(flashsale_completions_drain(completions, &event, sizeof(event), 1, 0, &count, &error));
          CHECK(count == 1 && event.code == BAD && event.effect == FLASHSALE_EFFECT_NONE && event.epoch == 0);
        } else {
          CHECK_IS(flashsale_error_code(error), BAD);
          CHECK_IS(count, 0);
          flashsale_error_destroy(&error);
        }
      }
}

static void check_numbers(void) {
  uint64_t differing = 1;
  flashsale_status_t status = FLASHSALE_STATUS_INIT;
  flashsale_item_t items[2];
  flashsale_event_t event;
  flashsale_option_t option = FLASHSALE_OPTION_INIT;
  const flashsale_call_t call = FLASHSALE_CALL_INIT;
  char text[8];
  size_t size = 1;
  CHECK_ANSWER(flashsale_options_create(FLASHSALE_ABI, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_options_describe(SIZE_MAX, &option, &error), FLASHSALE_E_NOT_FOUND);
  CHECK_ANSWER(flashsale_options_describe(0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_options_set(options, huge, sizeof(huge), "1", 1, &error), FLASHSALE_E_NOT_FOUND);
  CHECK_ANSWER(flashsale_options_set(options, NULL, SIZE_MAX, "1", 1, &error), BAD);
  CHECK_ANSWER(flashsale_options_set(options, FLASHSALE_TEXT("worker.sales"), huge, sizeof(huge), &error), BAD);
  CHECK_ANSWER(flashsale_options_set(options, FLASHSALE_TEXT("gate.lanes"), "2\0", 2, &error), BAD);
  CHECK_ANSWER(flashsale_controller_preload(controller, SALE, ITEM, huge, FLASHSALE_INFO_CAPACITY, &error), BAD);
  CHECK_ANSWER(flashsale_controller_preload(controller, SALE, ITEM, NULL, 1, &error), BAD);
  CHECK_ANSWER(flashsale_controller_schedule(controller, SALE, INT64_MIN, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_schedule(controller, SALE, 0, INT64_MIN, &error), BAD);
  CHECK_ANSWER(flashsale_controller_restock(controller, SALE, ITEM, INT64_MIN, FLASHSALE_TEXT("op"), &error), BAD);
  CHECK_ANSWER(flashsale_controller_restock(controller, SALE, ITEM, INT64_MAX, FLASHSALE_TEXT("op"), &error), BAD);
  CHECK_ANSWER(flashsale_controller_status(controller, SALE, -1, &status, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_status(controller, SALE, 2, &status, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_status(controller, SALE, 0, NULL, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_status(controller, SALE, 0, &status, items, 0, 2, &error), BAD);
  CHECK_ANSWER(flashsale_controller_status(controller, SALE, 0, &status, items, sizeof(items[0]) - 1, 2, &error), BAD);
  CHECK_ANSWER(flashsale_controller_status(controller, SALE, 0, &status, items, 4097, 2, &error), BAD);
  CHECK_ANSWER(flashsale_controller_info(controller, SALE, ITEM, NULL, 1, &size, &error), BAD);
  CHECK_ANSWER(flashsale_controller_info(controller, SALE, ITEM, text, sizeof(text), NULL, &error), BAD);
  CHECK_ANSWER(flashsale_controller_reconcile(controller, SALE, UINT32_MAX, &error), BAD);
  CHECK_ANSWER(flashsale_controller_reopen_accepting_loss(controller, SALE, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_reopen_accepting_loss(controller, SALE, 600001, &error), BAD);
  CHECK_ANSWER(flashsale_controller_dead(controller, SALE, NULL, 0, 0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_controller_dead_retry(controller, SALE, FLASHSALE_TEXT("1-1"), &error), BAD);
  CHECK_ANSWER(flashsale_controller_dead_drop(controller, SALE, FLASHSALE_TEXT("-1-1.0"), &error), BAD);
  CHECK_ANSWER(flashsale_controller_audit(controller, SALE, 2, 1, &differing, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_audit(controller, SALE, -1, 1, &differing, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_audit(controller, SALE, 0, 0, &differing, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_audit(controller, SALE, 0, 600001, &differing, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_controller_audit(controller, SALE, 0, 1, NULL, NULL, 0, 0, &error), BAD);
  CHECK_ANSWER(flashsale_completions_drain(completions, &event, 0, 1, 0, &size, &error), BAD);
  CHECK_ANSWER(flashsale_completions_drain(completions, &event, 4097, 1, 0, &size, &error), BAD);
  CHECK_ANSWER(flashsale_completions_drain(completions, &event, SIZE_MAX, 1, 0, &size, &error), BAD);
  CHECK_ANSWER(flashsale_completions_drain(completions, &event, sizeof(event), 1, 0, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_completions_fd(completions, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_completions_outstanding(completions, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_submit(gate, &call, 1, completions, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_gate_submit(gate, &call, 1048577, completions, &size, &error), BAD);
  CHECK_ANSWER(flashsale_worker_drain(worker, 3600001, &error), BAD);
  CHECK_ANSWER(flashsale_worker_report(worker, NULL, &error), BAD);
  CHECK_ANSWER(flashsale_metrics_text(text, sizeof(text), NULL, &error), BAD);
  CHECK_ANSWER(flashsale_log_next(NULL, 1, &size, &error), BAD);
  CHECK_IS(size, 0);
  CHECK_DONE(flashsale_log_disable(&error)); /* was never enabled */
  CHECK(flashsale_abi() == FLASHSALE_ABI && flashsale_version() == FLASHSALE_VERSION);
  CHECK(flashsale_version_string()[0] != '\0');
}

/* The same with nobody to hear why. */
static void check_without_error(void) {
  const flashsale_call_t call = FLASHSALE_CALL_INIT;
  size_t size = 1;
  CHECK_IS(flashsale_options_set(NULL, NULL, 0, NULL, 0, NULL), BAD);
  CHECK_IS(flashsale_controller_open(controller, NULL, 1, NULL), BAD);
  CHECK_IS(flashsale_gate_reserve(gate, &call, NULL, NULL), BAD);
  CHECK_IS(flashsale_gate_submit(gate, NULL, 1, completions, &size, NULL), BAD);
  CHECK_IS(flashsale_worker_drain(worker, 0, NULL), BAD);
}

/* A worker that was stopped is so for good. */
static void check_stopped(void) {
  flashsale_worker_stop(worker);
  flashsale_worker_stop(worker);
  CHECK_ANSWER(flashsale_worker_drain(worker, 1, &error), FLASHSALE_E_CLOSED);
  CHECK_DONE(flashsale_worker_run(worker, &error));
}

int main(void) {
  memset(huge, 'x', sizeof(huge));
  create_all();
  check_makers();
  check_controllers();
  check_others();
  check_destroys();
  check_ids();
  check_call_ids();
  check_numbers();
  check_without_error();
  check_stopped();
  destroy_all();
  return 0;
}
