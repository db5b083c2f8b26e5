// Token buckets: rates, bursts, and bounded memory.
#include "buckets.hpp"

#include <doctest/doctest.h>

#include <string>

using server::Buckets;

TEST_SUITE("buckets") {
  TEST_CASE("a key may act burst times at once, and then at its rate") {
    Buckets buckets(10, 3);
    for (int i = 0; i < 3; ++i) CHECK(buckets.take("ann", 1000) == 0);
    CHECK(buckets.take("ann", 1000) == 100);
    CHECK(buckets.take("ann", 1060) == 40);
    CHECK(buckets.take("ann", 1100) == 0);
    CHECK(buckets.take("ann", 1100) == 100);
    for (int i = 0; i < 3; ++i) CHECK(buckets.take("ann", 5000) == 0);
    CHECK(buckets.take("ann", 5000) > 0);
  }

  TEST_CASE("asking too often does not make the wait longer") {
    Buckets buckets(10, 1);
    CHECK(buckets.take("ann", 0) == 0);
    for (int i = 0; i < 100; ++i) CHECK(buckets.take("ann", 50) == 50);
    CHECK(buckets.take("ann", 100) == 0);
  }

  TEST_CASE("keys do not share a bucket") {
    Buckets buckets(1, 1);
    for (int i = 0; i < 10'000; ++i) CHECK(buckets.take("buyer-" + std::to_string(i), 0) == 0);
  }

  TEST_CASE("a flood of fresh keys may free a key that was used up, and never blocks one that was not") {
    Buckets buckets(0.001, 2);
    for (int i = 0; i < 300'000; ++i) CHECK(buckets.take("flood-" + std::to_string(i), 0) == 0);
    CHECK(buckets.take("late", 0) == 0);
  }

  TEST_CASE("among few keys none is forgotten") {
    Buckets buckets(0.001, 1);
    for (int i = 0; i < 500; ++i) CHECK(buckets.take("buyer-" + std::to_string(i), 0) == 0);
    for (int i = 0; i < 500; ++i) CHECK(buckets.take("buyer-" + std::to_string(i), 1) > 0);
  }

  TEST_CASE("rate 0 is no limit") {
    Buckets buckets(0, 1);
    for (int i = 0; i < 1000; ++i) CHECK(buckets.take("ann", 0) == 0);
  }
}
