/* Assertions for the C tests: the first one that fails ends the program. */
#ifndef FLASHSALE_TESTS_CAPI_CHECK_H
#define FLASHSALE_TESTS_CAPI_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#include "flashsale/flashsale.h"

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                                \
    }                                                                         \
  } while (0)

#define CHECK_IS(actual, expected)                                                                       \
  do {                                                                                                   \
    const long long actual_ = (long long)(actual), expected_ = (long long)(expected);                    \
    if (actual_ != expected_) {                                                                          \
      fprintf(stderr, "%s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, #actual, actual_, expected_); \
      exit(1);                                                                                           \
    }                                                                                                    \
  } while (0)

/* For a function whose last argument is `&error`: it must answer `expected`, and tell why if it does not. */
#define CHECK_ANSWER(call, expected)                                                                        \
  do {                                                                                                      \
    const int answer_ = (call);                                                                             \
    if (answer_ != (expected)) {                                                                            \
      fprintf(stderr, "%s:%d: %s is %d, not %d: %s\n", __FILE__, __LINE__, #call, answer_, (int)(expected), \
              flashsale_error_message(error));                                                              \
      exit(1);                                                                                              \
    }                                                                                                       \
    CHECK((error == NULL) == (answer_ >= 0) && flashsale_error_code(error) == (answer_ < 0 ? answer_ : 0)); \
    flashsale_error_destroy(&error);                                                                        \
  } while (0)

#define CHECK_DONE(call) CHECK_ANSWER(call, 0)

#endif
