#include "core/winners_filter.hpp"

#include <doctest/doctest.h>

#include <string>

#include "core/words.hpp"

using namespace flashsale;
using namespace flashsale::core;

namespace {

bool contains(const std::string& published, std::string_view buyer) {
  const auto header = read_filter_header(published);
  REQUIRE(header);
  const FilterPlace place(buyer, header->blocks);
  const char* at = published.data() + header->bytes + place.block * kFilterBlockBytes;
  bool all = true;
  for (std::size_t i = 0; i < kFilterBlockWords; ++i) all = all && (load_word(at + 8 * i) & place.bit(i)) != 0;
  return all;
}

std::string name_of(int i) { return "buyer-" + std::to_string(i); }

}  // namespace

TEST_SUITE("core/winners_filter") {
  TEST_CASE("nobody who was added is ever missed, however crowded it is") {
    for (const int buyers : {0, 1, 100, 20'000}) {
      WinnersFilter filter(1000);
      for (int i = 0; i < buyers; ++i) filter.add(name_of(i));
      int unknown = 0;
      for (int i = 0; i < buyers; ++i) unknown += filter.add(name_of(i)) ? 0 : 1;
      CHECK(unknown == 0);
      CHECK(filter.is_crowded() == (2 * buyers > 1000));
      const std::string published = filter.publish({3, 17});
      int missed = 0;
      for (int i = 0; i < buyers; ++i) missed += contains(published, name_of(i)) ? 0 : 1;
      CHECK(missed == 0);
    }
  }

  TEST_CASE("of those who were not added few are suspected") {
    WinnersFilter filter(50'000);
    for (int i = 0; i < 50'000; ++i) filter.add(name_of(i));
    const std::string published = filter.publish({1, 1});
    int suspected = 0;
    for (int i = 50'000; i < 150'000; ++i) suspected += contains(published, name_of(i)) ? 1 : 0;
    CHECK(suspected < 1000);  // 1 %; about 0.2 % are expected
    CHECK(published.size() < 50'000 * 2 + 200);
  }

  TEST_CASE("an id has the same hash in every version of this layout") {
    CHECK(hash_id("") == 0);
    CHECK(hash_id("ab") != hash_id("ba"));
    CHECK(hash_id("abc") != hash_id("abd"));
    CHECK(hash_id("abcdef") != hash_id("abcdxf"));
    CHECK(hash_id("ann") == hash_id(std::string("ann")));
    CHECK(hash_id("ann") != hash_id(std::string_view("ann\0", 4)));
    CHECK(hash_id("12345678") != hash_id("123456789"));
    const std::string published = [] {
      WinnersFilter filter(1);
      filter.add("ann");
      filter.add("some-longer-buyer@example.org");
      return filter.publish({1, 2});
    }();
    CHECK(published.substr(0, 8) == "1 1 2 1\n");
    CHECK(published.size() == 8 + 64);
  }

  TEST_CASE("what is no filter, or one of another version, is none") {
    const std::string good = WinnersFilter(10).publish({5, 6});
    const auto header = read_filter_header(good);
    REQUIRE(header);
    CHECK(header->at == Position{5, 6});
    CHECK(header->blocks == 1);
    for (const char* bad :
         {"", "1 5 6 1", "2 5 6 1\n", "1 5 6 0\n", "1 5 6 -1\n", "1 x 6 1\n", "1 5 6 99999999\n", "1 5\n"})
      CHECK_FALSE(read_filter_header(bad));
    CHECK_FALSE(read_filter_header(std::string(200, '1') + "\n"));
  }
}
