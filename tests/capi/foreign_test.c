/* The library in a process that is not ours: a language without a binding, with and without another hiredis. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/wait.h>

#include "check.h"
#include "private_redis.h"

static void expect_a_sale(const char* more_arguments) {
  char command[2048];
  char output[512] = "";
  FILE* program;
  snprintf(command, sizeof(command), "luajit '%s' '%s' '%s' '%s' '%s' %s", FLASHSALE_SCRIPT, FLASHSALE_HEADER_FILE,
           FLASHSALE_LIBRARY_FILE, private_redis_url(), private_redis_path("orders.db"), more_arguments);
  program = popen(command, "r");
  CHECK(program != NULL);
  CHECK(fgets(output, sizeof(output), program) != NULL);
  CHECK_IS(pclose(program), 0);
  CHECK(strstr(output, "reserved, order 1-") == output);
}

int main(void) {
  char beside[1024];
  private_redis_start();
  expect_a_sale("");
#ifdef FLASHSALE_OTHER_HIREDIS
  snprintf(beside, sizeof(beside), "'%s' '%s'", FLASHSALE_OTHER_HIREDIS, private_redis_path("redis.sock"));
  expect_a_sale(beside);
#else
  (void)beside;
#endif
  return 0;
}
