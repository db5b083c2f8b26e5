/* Structs across versions: an older caller's, a newer caller's, and one that sets what this version does not know. */
#include <string.h>

#include "private_redis.h"
#include "shop.h"

static struct shop shop;
static flashsale_error_t* error;

/* The _INIT macros are all zeroes but for what they say. */
static void check_init(void) {
  const flashsale_call_t call = FLASHSALE_CALL_INIT;
  const flashsale_answer_t answer = FLASHSALE_ANSWER_INIT;
  const flashsale_status_t status = FLASHSALE_STATUS_INIT;
  const flashsale_report_t report = FLASHSALE_REPORT_INIT;
  const flashsale_option_t option = FLASHSALE_OPTION_INIT;
  flashsale_call_t zero_call;
  flashsale_answer_t zero_answer;
  flashsale_status_t zero_status;
  flashsale_report_t zero_report;
  flashsale_option_t zero_option;
#define CHECK_ZEROES(record, zero)           \
  memset(&zero, 0, sizeof(zero));            \
  zero.struct_size = (uint32_t)sizeof(zero); \
  CHECK(memcmp(&record, &zero, sizeof(zero)) == 0)
  CHECK_ZEROES(answer, zero_answer);
  CHECK_ZEROES(status, zero_status);
  CHECK_ZEROES(report, zero_report);
  CHECK_ZEROES(option, zero_option);
#undef CHECK_ZEROES
  memset(&zero_call, 0, sizeof(zero_call));
  zero_call.struct_size = (uint32_t)sizeof(zero_call);
  zero_call.verb = FLASHSALE_VERB_RESERVE;
  zero_call.quantity = 1;
  CHECK(memcmp(&call, &zero_call, sizeof(call)) == 0);
}

/* A caller whose header is newer: its structs are longer than the library knows. */
struct newer_call {
  flashsale_call_t known;
  uint64_t added;
};
struct newer_answer {
  flashsale_answer_t known;
  uint64_t added;
};

static void check_newer(void) {
  struct newer_call call;
  struct newer_answer answer;
  memset(&call, 0, sizeof(call));
  memset(&answer, 0xff, sizeof(answer));
  call.known = shop_call("ann", "newer-1");
  call.known.struct_size = (uint32_t)sizeof(call);
  answer.known.struct_size = (uint32_t)sizeof(answer);
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call.known, &answer.known, &error), FLASHSALE_RESERVED);
  CHECK_IS(answer.known.struct_size, sizeof(answer));
  CHECK_IS(answer.added, 0);
  call.added = 1;
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call.known, NULL, &error), FLASHSALE_E_UNSUPPORTED);
  call.added = 0;
  call.known.reserved = 1;
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call.known, NULL, &error), FLASHSALE_E_UNSUPPORTED);
}

/* The smallest struct has more than 55 bytes, so each of these is wrong for all. */
static void check_wrong_sizes(void) {
  static const uint32_t sizes[] = {0, 1, 4, 55, 4097, 0x7fffffff, 0xffffffff};
  size_t i;
  for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
    flashsale_call_t call = shop_call("ann", "size-1");
    flashsale_answer_t answer = FLASHSALE_ANSWER_INIT;
    flashsale_status_t status = FLASHSALE_STATUS_INIT;
    flashsale_option_t option = FLASHSALE_OPTION_INIT;
    call.struct_size = sizes[i];
    CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, &answer, &error), FLASHSALE_E_INVALID_ARGUMENT);
    call = shop_call("ann", "size-1");
    answer.struct_size = sizes[i];
    CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, &answer, &error), FLASHSALE_E_INVALID_ARGUMENT);
    status.struct_size = sizes[i];
    CHECK_ANSWER(flashsale_controller_status(shop.controller, FLASHSALE_TEXT("spring"), 0, &status, NULL, 0, 0, &error),
                 FLASHSALE_E_INVALID_ARGUMENT);
    option.struct_size = sizes[i];
    CHECK_ANSWER(flashsale_options_describe(0, &option, &error), FLASHSALE_E_INVALID_ARGUMENT);
  }
}

/* Arrays: strides longer than the library's records, and elements that disagree. */
static void check_arrays(void) {
  struct newer_call calls[3];
  unsigned char events[3][sizeof(flashsale_event_t) + 8];
  flashsale_completions_t* completions = NULL;
  size_t accepted = 0, count = 0, total = 0, i;
  memset(calls, 0, sizeof(calls));
  for (i = 0; i < 3; ++i) {
    calls[i].known = shop_call("bob", i == 0 ? "a-0" : i == 1 ? "a-1" : "a-2");
    calls[i].known.struct_size = (uint32_t)sizeof(calls[0]);
    calls[i].known.tag = 70 + i;
  }
  CHECK_DONE(flashsale_completions_create(0, &completions, &error));
  CHECK_DONE(flashsale_gate_submit(shop.gate, &calls[0].known, 3, completions, &accepted, &error));
  CHECK_IS(accepted, 3);
  memset(events, 0xff, sizeof(events));
  for (total = 0; total < 3; total += count)
    CHECK_DONE(flashsale_completions_drain(completions, (flashsale_event_t*)events[total], sizeof(events[0]), 3 - total,
                                           5000, &count, &error));
  for (i = 0; i < 3; ++i) {
    const flashsale_event_t* const event = (const flashsale_event_t*)(const void*)events[i];
    CHECK_IS(event->code, FLASHSALE_RESERVED);
    CHECK(event->tag >= 70 && event->tag < 73 && events[i][sizeof(*event)] == 0 && events[i][sizeof(*event) + 7] == 0);
  }
  calls[1].known.struct_size = (uint32_t)sizeof(calls[0].known);
  CHECK_ANSWER(flashsale_gate_submit(shop.gate, &calls[0].known, 3, completions, &accepted, &error),
               FLASHSALE_E_INVALID_ARGUMENT);
  CHECK_IS(accepted, 0);
  calls[0].known.struct_size = (uint32_t)sizeof(calls[0]) - 4;
  CHECK_ANSWER(flashsale_gate_submit(shop.gate, &calls[0].known, 3, completions, &accepted, &error),
               FLASHSALE_E_INVALID_ARGUMENT);
  flashsale_completions_destroy(&completions);
}

/* An out is empty after an error, whatever was in it. */
static void check_cleared(void) {
  flashsale_call_t call = shop_call("", "x");
  flashsale_answer_t answer;
  const flashsale_answer_t empty = FLASHSALE_ANSWER_INIT;
  memset(&answer, 0xff, sizeof(answer));
  answer.struct_size = (uint32_t)sizeof(answer);
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, &answer, &error), FLASHSALE_E_INVALID_ARGUMENT);
  CHECK(memcmp(&answer, &empty, sizeof(empty)) == 0);
}

/* A status counts the orders whose hold runs; a caller from before it could is told the rest, and no byte more. */
static void check_status_of_holds(void) {
  flashsale_options_t* options = NULL;
  flashsale_sale_t* sale = NULL;
  flashsale_status_t status = FLASHSALE_STATUS_INIT;
  flashsale_call_t call = shop_call("ann", "held-1");
  const size_t older = offsetof(flashsale_status_t, held);
  CHECK_DONE(flashsale_options_create(FLASHSALE_ABI, &options, &error));
  CHECK_DONE(flashsale_options_set(options, FLASHSALE_TEXT("sale.hold_ms"), FLASHSALE_TEXT("3600000"), &error));
  CHECK_DONE(flashsale_sale_create(FLASHSALE_TEXT("held"), options, &sale, &error));
  CHECK_DONE(flashsale_sale_item(sale, FLASHSALE_TEXT("sneaker"), 9, 9, &error));
  CHECK_DONE(flashsale_controller_create_sale(shop.controller, sale, &error));
  CHECK_DONE(flashsale_controller_open(shop.controller, FLASHSALE_TEXT("held"), &error));
  FLASHSALE_SET(call, sale, "held");
  CHECK_ANSWER(flashsale_gate_reserve(shop.gate, &call, NULL, &error), FLASHSALE_RESERVED);
  CHECK_DONE(flashsale_controller_status(shop.controller, FLASHSALE_TEXT("held"), FLASHSALE_ROLE_PRIMARY, &status, NULL,
                                         0, 0, &error));
  CHECK_IS(status.held, 1);
  CHECK_IS(status.hold_ms, 3600000);
  memset(&status, 0xff, sizeof(status));
  status.struct_size = (uint32_t)older;
  CHECK_DONE(flashsale_controller_status(shop.controller, FLASHSALE_TEXT("held"), FLASHSALE_ROLE_PRIMARY, &status, NULL,
                                         0, 0, &error));
  CHECK_IS(status.item_count, 1);
  CHECK_IS(status.held, UINT64_MAX);
  flashsale_sale_destroy(&sale);
  flashsale_options_destroy(&options);
}

int main(void) {
  check_init();
  private_redis_start();
  shop = shop_create();
  shop_open_sale(&shop, 100, 50);
  check_newer();
  check_wrong_sizes();
  check_arrays();
  check_cleared();
  check_status_of_holds();
  shop_destroy(&shop);
  return 0;
}
