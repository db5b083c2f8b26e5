/* Every option: described, set to its default, to its bounds and past them. */
#include <string.h>

#include "check.h"

static flashsale_error_t* error;
static flashsale_options_t* options;

static int32_t set(const char* name, const char* value) {
  flashsale_error_destroy(&error);
  return flashsale_options_set(options, name, strlen(name), value, strlen(value), &error);
}

static int32_t set_number(const char* name, long long value) {
  char text[32];
  snprintf(text, sizeof(text), "%lld", value);
  return set(name, text);
}

static void check_option(const flashsale_option_t* option) {
  const char* const name = option->name;
  CHECK(strchr(name, '.') != NULL && option->doc[0] != '\0');
  CHECK_DONE(set(name, option->default_value));
  CHECK_DONE(set(name, ""));
  if (strcmp(option->type, "text") == 0) return;
  CHECK_ANSWER(set(name, "x"), FLASHSALE_E_INVALID_ARGUMENT);
  CHECK_ANSWER(set(name, " 1"), FLASHSALE_E_INVALID_ARGUMENT);
  CHECK_ANSWER(set(name, "99999999999999999999"), FLASHSALE_E_INVALID_ARGUMENT);
  if (strcmp(option->type, "integer") != 0) return;
  CHECK_DONE(set_number(name, option->least));
  CHECK_DONE(set_number(name, option->most));
  CHECK_ANSWER(set_number(name, option->least - 1), FLASHSALE_E_INVALID_ARGUMENT);
  CHECK_ANSWER(set_number(name, option->most + 1), FLASHSALE_E_INVALID_ARGUMENT);
  CHECK_ANSWER(set(name, "1x"), FLASHSALE_E_INVALID_ARGUMENT);
}

int main(void) {
  flashsale_option_t option = FLASHSALE_OPTION_INIT;
  size_t index = 0;
  int lanes_seen = 0;
  CHECK_ANSWER(flashsale_options_create(FLASHSALE_ABI + 1, &options, &error), FLASHSALE_E_UNSUPPORTED);
  CHECK(options == NULL);
  CHECK_DONE(flashsale_options_create(FLASHSALE_ABI, &options, &error));
  while (flashsale_options_describe(index, &option, &error) == 0) {
    check_option(&option);
    if (strcmp(option.name, "gate.lanes") == 0)
      lanes_seen = strcmp(option.default_value, "2") == 0 && option.least == 1 && option.most == 16;
    ++index;
  }
  CHECK_IS(flashsale_error_code(error), FLASHSALE_E_NOT_FOUND);
  CHECK(option.name == NULL && index == 29 && lanes_seen);
  CHECK_ANSWER(set("gate.lane", "1"), FLASHSALE_E_NOT_FOUND);
  CHECK_ANSWER(set("", "1"), FLASHSALE_E_NOT_FOUND);
  CHECK_ANSWER(flashsale_options_set(options, "gate.lanes", 10, NULL, 1, &error), FLASHSALE_E_INVALID_ARGUMENT);
  CHECK_DONE(set("gate.level", "database"));
  CHECK_ANSWER(set("gate.level", "disk"), FLASHSALE_E_INVALID_ARGUMENT);
  CHECK_DONE(set("sale.queue", "list"));
  CHECK_DONE(set("worker.reconcile", "false"));
  flashsale_options_destroy(&options);
  flashsale_error_destroy(&error);
  return 0;
}
