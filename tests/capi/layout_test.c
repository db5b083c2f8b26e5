/* Every struct's layout against the recorded one, which may only gain lines at the end of a struct.
 * `test_capi_layout --print` writes the list. */
#include <string.h>

#include "check.h"

static char list[16384];
static size_t used;

#define STRUCT(type) used += (size_t)snprintf(list + used, sizeof(list) - used, "%s %zu\n", #type, sizeof(type))
#define FIELD(type, field)                                                                                    \
  used += (size_t)snprintf(list + used, sizeof(list) - used, "  %s %zu %zu\n", #field, offsetof(type, field), \
                           sizeof(((type*)0)->field))

static void describe_call(void) {
  STRUCT(flashsale_call_t);
  FIELD(flashsale_call_t, struct_size);
  FIELD(flashsale_call_t, verb);
  FIELD(flashsale_call_t, sale);
  FIELD(flashsale_call_t, sale_size);
  FIELD(flashsale_call_t, item);
  FIELD(flashsale_call_t, item_size);
  FIELD(flashsale_call_t, buyer);
  FIELD(flashsale_call_t, buyer_size);
  FIELD(flashsale_call_t, request);
  FIELD(flashsale_call_t, request_size);
  FIELD(flashsale_call_t, payload);
  FIELD(flashsale_call_t, payload_size);
  FIELD(flashsale_call_t, quantity);
  FIELD(flashsale_call_t, timeout_ms);
  FIELD(flashsale_call_t, level);
  FIELD(flashsale_call_t, reserved);
  FIELD(flashsale_call_t, tag);
}

static void describe_answers(void) {
  STRUCT(flashsale_answer_t);
  FIELD(flashsale_answer_t, struct_size);
  FIELD(flashsale_answer_t, outcome);
  FIELD(flashsale_answer_t, epoch);
  FIELD(flashsale_answer_t, seq);
  FIELD(flashsale_answer_t, index);
  FIELD(flashsale_answer_t, level);
  FIELD(flashsale_answer_t, remaining);
  FIELD(flashsale_answer_t, hold_until_ms);
  FIELD(flashsale_answer_t, retry_after_ms);
  FIELD(flashsale_answer_t, reason);
  FIELD(flashsale_answer_t, reserved);
  FIELD(flashsale_answer_t, order);
  STRUCT(flashsale_event_t);
  FIELD(flashsale_event_t, tag);
  FIELD(flashsale_event_t, code);
  FIELD(flashsale_event_t, effect);
  FIELD(flashsale_event_t, level);
  FIELD(flashsale_event_t, reason);
  FIELD(flashsale_event_t, index);
  FIELD(flashsale_event_t, reserved);
  FIELD(flashsale_event_t, epoch);
  FIELD(flashsale_event_t, seq);
  FIELD(flashsale_event_t, remaining);
  FIELD(flashsale_event_t, hold_until_ms);
  FIELD(flashsale_event_t, retry_after_ms);
}

static void describe_status(void) {
  STRUCT(flashsale_status_t);
  FIELD(flashsale_status_t, struct_size);
  FIELD(flashsale_status_t, state);
  FIELD(flashsale_status_t, queue);
  FIELD(flashsale_status_t, fenced);
  FIELD(flashsale_status_t, now_ms);
  FIELD(flashsale_status_t, opens_ms);
  FIELD(flashsale_status_t, closes_ms);
  FIELD(flashsale_status_t, hold_ms);
  FIELD(flashsale_status_t, probe_ms);
  FIELD(flashsale_status_t, replicas);
  FIELD(flashsale_status_t, buyer_orders_max);
  FIELD(flashsale_status_t, at_epoch);
  FIELD(flashsale_status_t, at_seq);
  FIELD(flashsale_status_t, watermark_epoch);
  FIELD(flashsale_status_t, watermark_seq);
  FIELD(flashsale_status_t, waiting);
  FIELD(flashsale_status_t, item_count);
  FIELD(flashsale_status_t, reserved);
  FIELD(flashsale_status_t, phase);
  FIELD(flashsale_status_t, held);
  STRUCT(flashsale_item_t);
  FIELD(flashsale_item_t, item);
  FIELD(flashsale_item_t, total);
  FIELD(flashsale_item_t, booked);
  FIELD(flashsale_item_t, limit);
  STRUCT(flashsale_dead_t);
  FIELD(flashsale_dead_t, order);
  FIELD(flashsale_dead_t, buyer);
  FIELD(flashsale_dead_t, item);
  FIELD(flashsale_dead_t, request);
  FIELD(flashsale_dead_t, reason);
  FIELD(flashsale_dead_t, quantity);
  FIELD(flashsale_dead_t, fate);
  STRUCT(flashsale_audit_item_t);
  FIELD(flashsale_audit_item_t, item);
  FIELD(flashsale_audit_item_t, total);
  FIELD(flashsale_audit_item_t, available);
  FIELD(flashsale_audit_item_t, held);
  FIELD(flashsale_audit_item_t, confirmed);
  FIELD(flashsale_audit_item_t, dead);
  FIELD(flashsale_audit_item_t, returning);
  FIELD(flashsale_audit_item_t, difference);
}

static void describe_rest(void) {
  STRUCT(flashsale_report_t);
  FIELD(flashsale_report_t, struct_size);
  FIELD(flashsale_report_t, reserved);
  FIELD(flashsale_report_t, orders);
  FIELD(flashsale_report_t, commits);
  FIELD(flashsale_report_t, dead);
  FIELD(flashsale_report_t, reconciles);
  FIELD(flashsale_report_t, behind);
  FIELD(flashsale_report_t, waiting_for);
  STRUCT(flashsale_option_t);
  FIELD(flashsale_option_t, struct_size);
  FIELD(flashsale_option_t, reserved);
  FIELD(flashsale_option_t, name);
  FIELD(flashsale_option_t, type);
  FIELD(flashsale_option_t, default_value);
  FIELD(flashsale_option_t, doc);
  FIELD(flashsale_option_t, least);
  FIELD(flashsale_option_t, most);
  STRUCT(flashsale_code_t);
  FIELD(flashsale_code_t, kind);
  FIELD(flashsale_code_t, name);
  FIELD(flashsale_code_t, value);
  FIELD(flashsale_code_t, holds_stock);
}

int main(int argc, char** argv) {
  static char recorded[sizeof(list)];
  FILE* file;
  describe_call();
  describe_answers();
  describe_status();
  describe_rest();
  if (argc > 1 && strcmp(argv[1], "--print") == 0) return fputs(list, stdout) < 0;
  if (sizeof(void*) != 8) return 0; /* the list is that of 64-bit systems */
  file = fopen(FLASHSALE_LAYOUT_FILE, "r");
  CHECK(file != NULL);
  CHECK(fread(recorded, 1, sizeof(recorded) - 1, file) > 0);
  fclose(file);
  CHECK(strcmp(recorded, list) == 0);
  return 0;
}
