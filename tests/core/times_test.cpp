#include "core/times.hpp"

#include <doctest/doctest.h>

using namespace flashsale;

namespace {

std::optional<std::int64_t> read(std::initializer_list<const char*> parts) {
  Reply reply;
  reply.type = Reply::Type::array;
  for (const char* part : parts) {
    reply.elements.emplace_back();
    reply.elements.back().type = Reply::Type::text;
    reply.elements.back().text = part;
  }
  return core::read_time(reply);
}

}  // namespace

TEST_SUITE("core/times") {
  TEST_CASE("Redis' TIME is read in ms") {
    CHECK(read({"1700000000", "999999"}) == 1'700'000'000'999);
    CHECK(read({"0", "0"}) == 0);
  }

  TEST_CASE("a TIME that would overflow a sum later on is none") {
    for (const char* seconds : {"-1", "9223372036854775807", "9007199254741", "", "1x"})
      CHECK_MESSAGE(!read({seconds, "0"}), seconds);
    for (const char* micros : {"-1", "1000000", "", "x"}) CHECK_MESSAGE(!read({"1", micros}), micros);
    CHECK(!read({"1"}));
    CHECK(!read({"1", "2", "3"}));
    CHECK(!core::read_time(Reply{}));
    CHECK(core::is_time(core::kTimeMax));
    CHECK(!core::is_time(core::kTimeMax + 1));
    CHECK(!core::is_time(-1));
  }
}
