// What a gate remembers of its sales: bounded, and the one that was not heard of for longest makes room.
#include "engine/seen_sales.hpp"

#include <doctest/doctest.h>

#include <string>

using flashsale::Position;
using flashsale::engine::SeenSales;

namespace {

constexpr int kMost = 4096;

void hear_of_others(SeenSales& seen, int from, int count) {
  for (int i = from; i < from + count; ++i) seen.heard("other" + std::to_string(i), "u", {1, 1});
}

}  // namespace

TEST_SUITE("engine/seen_sales") {
  TEST_CASE("a sale in use is remembered however many others come and go") {
    SeenSales seen;
    seen.heard("ours", "u", {3, 70});
    for (int i = 0; i < 3 * kMost; i += kMost / 2) {
      hear_of_others(seen, i, kMost / 2);
      seen.heard("ours", "u", {3, 60});  // by a reply that was overtaken
    }
    CHECK(seen.mark("ours", "u") == Position{3, 70});
  }

  TEST_CASE("of 4,097 sales the one that was not heard of for longest is forgotten, and no other") {
    SeenSales seen;
    hear_of_others(seen, 0, kMost);
    hear_of_others(seen, 0, 1);  // again, so that the second is the one
    hear_of_others(seen, kMost, 1);
    for (int i = 0; i <= kMost; ++i) CHECK(seen.has("other" + std::to_string(i)) == (i != 1));
  }

  TEST_CASE("the mark is the highest position heard of, and of one uuid") {
    SeenSales seen;
    CHECK_FALSE(seen.has("ours"));
    CHECK(seen.mark("ours", "u") == Position{});
    seen.heard("ours", "u", {2, 5});
    seen.heard("ours", "u", {1, 9});
    CHECK(seen.mark("ours", "u") == Position{2, 5});
    CHECK(seen.mark("ours", "v") == Position{});
    seen.heard("ours", "v", {1, 0});
    CHECK(seen.mark("ours", "v") == Position{1, 0});
    CHECK(seen.mark("ours", "u") == Position{});
    CHECK(seen.has("ours"));
  }
}
