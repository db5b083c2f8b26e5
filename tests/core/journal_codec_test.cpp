#include "core/journal_codec.hpp"

#include <doctest/doctest.h>

using namespace flashsale;
using namespace flashsale::core;

namespace {

Reply text(std::string value) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = std::move(value);
  return reply;
}

Reply array(std::vector<Reply> elements) {
  Reply reply;
  reply.type = Reply::Type::array;
  reply.elements = std::move(elements);
  return reply;
}

Result<std::vector<JournalEntry>> read_one(std::vector<std::string> fields, std::string id = "3-9") {
  std::vector<Reply> list;
  for (auto& field : fields) list.push_back(text(std::move(field)));
  return read_entries(array({array({text(std::move(id)), array(std::move(list))})}));
}

}  // namespace

TEST_SUITE("core/journal_codec") {
  TEST_CASE("an entry of a batch gives back each order with its payload byte for byte") {
    const std::string payload("a b\0\xff {\"x\": 1}", 15);
    const auto entries = read_one({"h", "1 reserve mine theirs 1700 1900", "i", "3 hat 64 shoe", "o",
                                   "ann 3 2 0 r1 15 " + payload + "bob 64 1 4 r2 0 "});
    REQUIRE(entries);
    const JournalEntry& entry = entries->at(0);
    CHECK(entry.defect == "");
    CHECK(entry.at == Position{3, 9});
    CHECK(entry.kind == EntryKind::reserve);
    CHECK(entry.nonce == "mine");
    CHECK(entry.link == "theirs");
    CHECK(entry.at_ms == 1700);
    CHECK(entry.hold_until_ms == 1900);
    REQUIRE(entry.orders.size() == 2);
    CHECK(to_string(entry.orders[0].id) == "3-9.0");
    CHECK(entry.orders[0].item == "hat");
    CHECK(entry.orders[0].quantity == 2);
    CHECK(entry.orders[0].request == "r1");
    CHECK(entry.orders[0].payload == payload);
    CHECK(entry.orders[1].id.index == 4);
    CHECK(entry.orders[1].item == "shoe");
    CHECK(entry.orders[1].payload.empty());
  }

  TEST_CASE("a control act gives its arguments") {
    const auto entries = read_one({"h", "1 pause n l 5 0", "a", "paused 0 0"});
    REQUIRE(entries);
    CHECK(entries->at(0).kind == EntryKind::pause);
    CHECK(entries->at(0).arguments == std::vector<std::string>{"paused", "0", "0"});
  }

  TEST_CASE("an entry that does not decode keeps its place and says why") {
    for (const auto& fields :
         std::vector<std::vector<std::string>>{{"h", "2 reserve n l 5 0"},
                                               {"h", "1 steal n l 5 0"},
                                               {"h", "1 reserve n l five 0"},
                                               {"h", "1 reserve n l 5"},
                                               {"x", "1 reserve n l 5 0"},
                                               {"h", "1 reserve n l 5 0", "o", "ann 1 1 0 r1 0 "},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat"},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", ""},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", "ann 1 1 0 r1 1 "},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", "ann 1 1 0 r1 0 x"},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", "ann 1 1 0 r1 -1 "},
                                               {"h", "1 reserve n l 5 0", "i", "0 hat", "o", "ann 0 1 0 r1 0 "},
                                               {"h", "1 reserve n l 5 0", "i", "65 hat", "o", "ann 65 1 0 r1 0 "},
                                               {"h", "1 reserve n l 5 0", "i", "1 h/t", "o", "ann 1 1 0 r1 0 "},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", "ann 2 1 0 r1 0 "},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", "ann 1 0 0 r1 0 "},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", "ann 1 nan 0 r1 0 "},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", "ann 1 1 -1 r1 0 "},
                                               {"h", "1 reserve n l 5 0", "i", "1 hat", "o", "a/n 1 1 0 r1 0 "},
                                               {"h", "1 confirm n l 5 0", "o", "ann 3-9 hat 1 r1\n"},
                                               {"h", "1 confirm n l 5 0", "o", "ann 3-9.1 hat 1 r1"}}) {
      const auto entries = read_one(fields);
      REQUIRE(entries);
      CAPTURE(fields.back());
      CHECK(entries->at(0).at == Position{3, 9});
      CHECK(entries->at(0).defect != "");
    }
    CHECK_FALSE(read_entries(text("no list")));
    CHECK_FALSE(read_one({"h", "1 pause n l 5 0"}, "not-an-id"));
  }

  TEST_CASE("a list element gives back its order, and a strange one says why") {
    const auto taken = read_element("1700-3.7 ann hat 2 r1 {\"ship\": \"sea mail\"}");
    CHECK(taken.defect == "");
    CHECK(to_string(taken.order.id) == "1700-3.7");
    CHECK(taken.order.payload == "{\"ship\": \"sea mail\"}");
    for (const char* bad : {"", "x", "1-1.1", "1-1.1 ann hat 0 r1 p", "1-1.1 a/n hat 1 r1 p", "0-1.1 ann hat 1 r1 p"}) {
      CAPTURE(bad);
      CHECK(read_element(bad).defect != "");
      CHECK(read_element(bad).element == bad);
    }
  }
}
