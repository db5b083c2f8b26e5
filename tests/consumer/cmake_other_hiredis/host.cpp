// The host: NAME REDIS_URL. It sells, and calls its own hiredis before and after.
#include <cstdlib>
#include <iostream>

#include "other.h"

extern "C" int sell(const char* url);
int sell_somehow(const char* url);

static void expect_own_hiredis(const char* when) {
  for (void* (*function)() : {redisReaderCreateWithFunctions, redisReaderFeed, redisReaderGetReply, redisReaderFree,
                              redisCommand, sdsnew, sdscatlen}) {
    if (function() == other_marker()) continue;
    std::cerr << "a call of the host's own hiredis reached another one " << when << "\n";
    std::exit(1);
  }
}

int main(int, char** argv) {
  expect_own_hiredis("before a sale");
  const int result = sell_somehow(argv[1]);
  expect_own_hiredis("after a sale");
  return result;
}
