#include "core/batch_room.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace flashsale;
using namespace flashsale::core;

namespace {

std::size_t fits(std::size_t requests_max, const Asked& asked) {
  BatchRoom room(requests_max);
  std::size_t count = 0;
  while (count < 2000 && room.take(asked)) ++count;
  return count;
}

Asked with_payload(const std::string& payload) { return {"buyer", "request", "shoe", payload, 1}; }

}  // namespace

TEST_SUITE("core/batch_room") {
  TEST_CASE("a batch has at most its number of requests and at most 1 MiB, but always one") {
    CHECK(fits(1, with_payload("")) == 1);
    CHECK(fits(2, with_payload("")) == 2);
    CHECK(fits(512, with_payload(std::string(65'536, 'p'))) == 15);
    CHECK(fits(512, with_payload(std::string(2u << 20, 'p'))) == 1);
  }

  TEST_CASE("a batch that is nearly full ends where its entry would need a larger piece of memory") {
    for (std::size_t bytes = 0; bytes < 1000; bytes += 7) {
      const std::size_t count = fits(512, with_payload(std::string(bytes, 'p')));
      CHECK(count >= 384);
      CHECK(count <= 512);
    }
    // 512 bodies of 60 bytes would be 64 KiB with a tenth of it empty.
    const std::string payload(60, 'p'), request(32, 'r');
    CHECK(fits(512, {"u1000000", request, "shoe", payload, 1}) < 440);
  }

  TEST_CASE("pieces of memory are four to a doubling") {
    for (const auto& [bytes, piece] : {std::pair<std::size_t, std::size_t>{1, 16},
                                       {16, 16},
                                       {17, 32},
                                       {128, 128},
                                       {129, 160},
                                       {256, 256},
                                       {257, 320},
                                       {4096, 4096},
                                       {4097, 5120},
                                       {57'344, 57'344},
                                       {57'345, 65'536},
                                       {65'537, 81'920}})
      CHECK(allocated_for(bytes) == piece);
  }
}
