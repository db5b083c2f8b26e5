/* The examples of examples/c, each run against a server of its own. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/wait.h>

#include "check.h"
#include "private_redis.h"

/* What the program writes to stdout; it must end well. */
static const char* output_of(const char* program) {
  static char text[4096];
  char command[512];
  size_t size;
  FILE* output;
  snprintf(command, sizeof(command), "%s/%s '%s' '%s'", FLASHSALE_BIN_DIR, program, private_redis_url(),
           private_redis_path("orders.db"));
  output = popen(command, "r");
  CHECK(output != NULL);
  size = fread(text, 1, sizeof(text) - 1, output);
  text[size] = '\0';
  CHECK_IS(pclose(output), 0);
  return text;
}

int main(void) {
  private_redis_start();
  CHECK(strstr(output_of("c_sell_one"), "reserved, order 1-") != NULL);
  CHECK(strstr(output_of("c_sell_one"), "reserved, order 1-") != NULL); /* a second run meets what the first left */
  CHECK(strstr(output_of("c_epoll_loop"), "100 of 1000 buyers won") != NULL);
  CHECK(strstr(output_of("c_epoll_loop"), "100 of 1000 buyers won") != NULL);
  CHECK(strstr(output_of("c_uv_loop"), "100 of 1000 buyers won") != NULL);
  return 0;
}
