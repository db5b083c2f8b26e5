// The header alone, as strict C++17, with its macros in use.
#include "flashsale/flashsale.h"

int main() {
  flashsale_call_t call = FLASHSALE_CALL_INIT;
  const flashsale_answer_t answer = FLASHSALE_ANSWER_INIT;
  const flashsale_status_t status = FLASHSALE_STATUS_INIT;
  const flashsale_report_t report = FLASHSALE_REPORT_INIT;
  const flashsale_option_t option = FLASHSALE_OPTION_INIT;
  flashsale_options_t* options = nullptr;
  FLASHSALE_SET(call, sale, "spring");
  const bool sized = call.sale_size == 6 && answer.struct_size > 0 && status.struct_size > 0 &&
                     report.struct_size > 0 && option.struct_size > 0;
  const bool set = flashsale_options_create(FLASHSALE_ABI, &options, nullptr) == 0 &&
                   flashsale_options_set(options, FLASHSALE_TEXT("gate.lanes"), FLASHSALE_TEXT("4"), nullptr) == 0;
  flashsale_options_destroy(&options);
  return sized && set ? 0 : 1;
}
