#include <doctest/doctest.h>

#include "core/journal_codec.hpp"
#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;
using core::Asked;

namespace {

/// Puts another state, or another deadline, into the one order that the buyer has.
void rewrite_order(const ScriptedSale& sale, const std::string& buyer, const std::string& state) {
  std::string record = sale.buyer(buyer);
  record.replace(record.find(" r", record.find("1-1")), std::string::npos, " " + state);
  redis().command({"HSET", sale.keys.buyers, buyer, record});
}

std::string ids(const std::vector<core::Found>& found) {
  std::string text;
  for (const auto& order : found) text += to_string(order.order) + " ";
  return text;
}

bool is_bad_call(const std::vector<std::string>& words) {
  const Reply reply = redis().command({words.begin(), words.end()});
  return reply.type == Reply::Type::error && reply.text.find("FLASHSALE ARGV") != std::string::npos;
}

const char* const kEveryMistake[] = {"", " ", "a b", "{tag}", "a|b", "a\nb", "#", "a%", "caf\xc3\xa9"};

}  // namespace

TEST_CASE("reserve.lua decides a batch in order, against what the batch itself has taken") {
  ScriptedSale sale({{{"phone", 3, 2}}});
  const auto reply = sale.reserve({one("ann", "r1"), one("bob", "r2", "phone", 2), one("cid", "r3"), one("ann", "r1")});
  CHECK(reply.letters == "aasR");
  CHECK(reply.left == std::vector<std::int64_t>{0});
  CHECK(reply.at == Position{1, 1});
  CHECK(reply.sold_seq == std::vector<std::uint64_t>{1});
  CHECK(ids(reply.found) == "1-1.0 ");
  CHECK(sale.meta("booked:1") == "3");
  CHECK(sale.meta("sold_seq:1") == "1");
  CHECK(sale.meta("seq") == "1");
}

TEST_CASE("reserve.lua writes records and journal bodies whose index is the place in the batch") {
  ScriptedSale sale({{{"phone", 9, 5}, {"case", 9, 5}}});
  const std::string payload("to the \n\0 letter ", 17);
  const auto reply = sale.reserve({one("ann", "r1", "none"), one("ann", "r2", "case", 2, payload), one("bob", "r3")});
  CHECK(reply.letters == "naa");
  CHECK(sale.buyer("ann") == "1 2=2\nr2 2 2 1 1-1 r");
  CHECK(sale.buyer("bob") == "1 1=1\nr3 1 1 2 1-1 r");
  const auto entry = sale.newest_entry();
  CHECK(entry == std::vector<std::string>{"1-1", "h", entry.at(2), "i", "1 phone 2 case", "o",
                                          "ann 2 2 1 r2 17 " + payload + "bob 1 1 2 r3 0 "});
  CHECK(entry[2] == fmt::format("1 reserve {} {} {} 0", kNonce, kNonce, reply.now_ms));
}

TEST_CASE("reserve.lua keeps several orders and items of a buyer in one record, in one batch or in several") {
  ScriptedSale sale({{{"phone", 99, 5},
                      {"case", 99, 9},
                      {"a", 9, 1},
                      {"b", 9, 1},
                      {"c", 9, 1},
                      {"d", 9, 1},
                      {"e", 9, 1},
                      {"f", 9, 1},
                      {"g", 9, 1},
                      {"h", 9, 1},
                      {"i", 9, 1},
                      {"twelfth", 9, 2}}});
  CHECK(sale.reserve({one("ann", "r1"), one("ann", "r2", "case", 3), one("ann", "r3", "phone", 2)}).letters == "aaa");
  CHECK(sale.buyer("ann") == "3 1=3 2=3\nr1 1 1 0 1-1 r\nr2 2 3 1 1-1 r\nr3 1 2 2 1-1 r");
  // Item 12 before item 1 and 2: no count is taken for another's by its last digit.
  CHECK(sale.reserve({one("bob", "r1", "twelfth", 2), one("bob", "r2"), one("bob", "r3", "case")}).letters == "aaa");
  CHECK(sale.reserve({one("ann", "r4", "twelfth"), one("ann", "r5", "case", 6)}).letters == "aa");
  CHECK(sale.buyer("ann").rfind("5 1=3 2=9 12=1\n", 0) == 0);
  CHECK(sale.reserve({one("bob", "r4", "twelfth"), one("bob", "r5", "case", 8)}).letters == "la");
  CHECK(sale.buyer("bob").rfind("4 12=2 1=1 2=9\n", 0) == 0);
  CHECK(sale.reserve({one("ann", "r2", "case", 3), one("ann", "r3", "phone", 2)}).letters == "RR");
}

TEST_CASE("reserve.lua holds every buyer to the item's limit, whatever the batches") {
  ScriptedSale sale({{{"phone", 99, 3}, {"case", 99, 1}}});
  CHECK(sale.reserve({one("ann", "r1", "phone", 4), one("ann", "r2", "phone", 2), one("ann", "r3", "phone", 2),
                      one("ann", "r4"), one("ann", "r5"), one("ann", "r6", "case")})
            .letters == "lalala");
  CHECK(sale.reserve({one("ann", "r7"), one("bob", "r7", "phone", 3), one("bob", "r8")}).letters == "lal");
}

TEST_CASE("reserve.lua gives a buyer as many orders as the sale allows, and hears of one more as limit") {
  ScriptedTerms terms{{{"phone", 99, 99}}};
  terms.buyer_orders_max = 3;
  ScriptedSale sale(terms);
  CHECK(sale.reserve({one("ann", "r1"), one("ann", "r2")}).letters == "aa");
  CHECK(sale.reserve({one("ann", "r3"), one("ann", "r4"), one("ann", "r1")}).letters == "alR");
}

TEST_CASE("reserve.lua answers a request that won before by the state of its order") {
  const std::pair<const char*, char> states[] = {{"r", 'R'}, {"c", 'C'}, {"g", 'G'}, {"d", 'D'},
                                                 {"x", 'X'}, {"e", 'E'}, {"k", 'K'}};
  for (const auto& [state, letter] : states) {
    INFO(state);
    ScriptedSale sale;
    sale.reserve({one("bob", "r0"), one("ann", "r1")});
    rewrite_order(sale, "ann", state);
    const auto before = sale.everything();
    const auto reply = sale.reserve({one("ann", "r1"), one("ann", "r1", "phone", 2)});
    CHECK(reply.letters == std::string{letter, 'c'});
    CHECK(ids(reply.found) == "1-1.1 ");
    CHECK(sale.everything() == before);
  }
}

TEST_CASE("reserve.lua calls a request that won with another item or quantity a conflict") {
  ScriptedSale sale({{{"phone", 9, 5}, {"case", 9, 5}}});
  sale.reserve({one("ann", "r1", "phone", 2)});
  CHECK(sale.reserve({one("ann", "r1"), one("ann", "r1", "case", 2), one("ann", "r1", "phone", 2), one("bob", "r1")})
            .letters == "ccRa");
}

TEST_CASE("reserve.lua finds a request by its whole name only") {
  ScriptedSale sale({{{"phone", 99, 99}}});
  CHECK(
      sale.reserve({one("ann", "r11"), one("ann", "r1"), one("ann", "1"), one("ann", "11"), one("ann", "r")}).letters ==
      "aaaaa");
}

TEST_CASE("reserve.lua asks in this order: sound, item, won before, state, limit, stock") {
  ScriptedSale sale({{{"phone", 1, 2}}});
  sale.reserve({one("ann", "r1")});
  const auto letter = [&](const Asked& asked) { return sale.reserve({asked}).letters; };
  CHECK(letter(one("a b", "r1", "none")) == "i");
  CHECK(letter(one("ann", "r1", "none")) == "n");
  CHECK(letter(one("ann", "r2", "phone", 2)) == "l");
  CHECK(letter(one("ann", "r2")) == "s");
  for (const auto& [state, shut] : {std::pair("closed", "e"), {"paused", "p"}, {"draining", "t"}, {"created", "w"}}) {
    INFO(state);
    sale.set_meta("state", state);
    CHECK(letter(one("ann", "r1")) == "R");
    CHECK(letter(one("ann", "r1", "phone", 2)) == "c");
    CHECK(letter(one("ann", "r2", "phone", 2)) == shut);
    CHECK(letter(one("ann", "r3", "none")) == "n");
    CHECK(letter(one("", "r3")) == "i");
  }
}

TEST_CASE("reserve.lua keeps to the schedule, and says for how long") {
  ScriptedSale sale;
  sale.set_meta("opens_ms", "4000000000000");
  auto reply = sale.reserve({one("ann", "r1")});
  CHECK(reply.letters == "w");
  CHECK(reply.standing == 'w');
  CHECK(reply.opens_in_ms == 4000000000000 - reply.now_ms);
  CHECK(reply.changes_in_ms == reply.opens_in_ms);
  sale.set_meta("opens_ms", "0");
  sale.set_meta("reopen_ms", "4100000000000");
  reply = sale.reserve({one("ann", "r1")});
  CHECK(reply.letters == "w");
  CHECK(reply.opens_in_ms == 4100000000000 - reply.now_ms);
  sale.set_meta("closes_ms", "1");
  CHECK(sale.reserve({one("ann", "r1")}).letters == "e");
  sale.set_meta("reopen_ms", "0");
  sale.set_meta("closes_ms", "4000000000000");
  reply = sale.reserve({one("ann", "r1")});
  CHECK(reply.letters == "a");
  CHECK(reply.standing == 'o');
  CHECK(reply.opens_in_ms == 0);
  CHECK(reply.changes_in_ms == 4000000000000 - reply.now_ms);
  sale.set_meta("state", "paused");
  reply = sale.look({one("bob", "r2")});
  CHECK(reply.standing == 'p');
  CHECK(reply.changes_in_ms == 4000000000000 - reply.now_ms);
}

TEST_CASE("reserve.lua sells nothing of an item before it reopens, and the others as usual") {
  ScriptedSale sale({{{"phone", 9, 9}, {"case", 9, 9}}});
  sale.set_meta("reopen_ms:1", "4000000000000");
  const auto reply = sale.reserve({one("ann", "r1"), one("ann", "r2", "case")});
  CHECK(reply.letters == "sa");
  CHECK(reply.left == std::vector<std::int64_t>{0, 8});
  CHECK(reply.reopen_ms == std::vector<std::int64_t>{4000000000000, 0});
  CHECK(sale.meta("booked:1") == "0");
}

TEST_CASE("reserve.lua with a hold time notes each order's deadline in its record, in holds and in the reply") {
  ScriptedTerms terms;
  terms.hold_ms = 60'000;
  ScriptedSale sale(terms);
  const auto reply = sale.reserve({one("bob", "r0", "none"), one("ann", "r1")});
  const auto until = std::to_string(reply.now_ms + 60'000);
  CHECK(reply.hold_until_ms == reply.now_ms + 60'000);
  CHECK(sale.buyer("ann") == "1 1=1\nr1 1 1 1 1-1 r " + until);
  CHECK(redis().command({"ZSCORE", sale.keys.holds, "1-1 ann"}).text == until);
  CHECK(sale.meta("held") == "1");
  CHECK(sale.newest_entry().at(2) == fmt::format("1 reserve {} {} {} {}", kNonce, kNonce, reply.now_ms, until));
  CHECK(sale.reserve({one("ann", "r1")}).found.at(0).hold_until_ms == reply.now_ms + 60'000);

  rewrite_order(sale, "ann", "r 1");
  CHECK(sale.reserve({one("ann", "r1")}).letters == "E");  // before any sweeper came
  rewrite_order(sale, "ann", "r 1");
  CHECK(sale.look({one("ann", "r1")}).letters == "E");
}

TEST_CASE("reserve.lua writes nothing at all for a batch that wins nothing") {
  ScriptedSale sale({{{"phone", 1, 1}}});
  sale.reserve({one("ann", "r1")});
  const auto before = sale.everything();
  const auto reply = sale.reserve({one("bob", "r2"), one("ann", "r1"), one("ann", "r1", "phone", 2), one("", "r")});
  CHECK(reply.letters == "sRci");
  CHECK(reply.at == Position{1, 1});
  CHECK(sale.everything() == before);
}

TEST_CASE("reserve.lua finds every id and quantity that is none, and decides the rest of the batch all the same") {
  ScriptedSale sale({{{"phone", 99, 99}}});
  std::string longest(64, 'x'), too_long(65, 'x');
  CHECK(sale.reserve({one(longest, longest), one(too_long, "r1"), one("ann", too_long)}).letters == "aii");
  for (const char* mistake : kEveryMistake) {
    INFO("'" << mistake << "'");
    CHECK(sale.reserve({one(mistake, "r2"), one("ann", mistake), one("A.b_C:d@e-9", "0")}).letters.substr(0, 2) ==
          "ii");
  }
  const auto quantity = [&](std::uint32_t units) { return sale.reserve({one("cid", "r3", "phone", units)}).letters; };
  CHECK(quantity(0) == "i");
  CHECK(quantity(1'000'001) == "i");
  CHECK(quantity(2'097'151) == "i");
  CHECK(quantity(1'000'000) == "l");
  CHECK(quantity(99) == "s");
  CHECK(quantity(16) == "a");
}

TEST_CASE("reserve.lua has no item 0 and none behind the last") {
  ScriptedSale sale;
  auto words = sale.reserve_command({one("ann", "r1")});
  for (const int item : {0, 2, 127, 255}) {
    INFO(item);
    words.at(11)[0] = static_cast<char>(item);
    CHECK(redis().command({words.begin(), words.end()}).elements.at(4).text == "n");
  }
}

TEST_CASE("reserve.lua and look.lua take no batch whose parts do not fit together") {
  ScriptedSale sale;
  const auto before = sale.everything();
  const auto good = sale.reserve_command({one("ann", "r1"), one("bob", "r2")});
  for (const std::size_t header_bytes : {0, 1, 3, 5, 7, 9, 10, 19, 21, 30}) {
    auto words = good;
    words.at(11) = std::string(header_bytes, '\1');
    INFO(header_bytes);
    CHECK(is_bad_call(words));
    words.at(1) = core::script("look").sha1;
    CHECK(is_bad_call(words));
  }
  auto words = good;
  for (const std::size_t part : {12, 13}) {
    words = good;
    words.at(part).pop_back();
    CHECK(is_bad_call(words));
    words.at(part) += "and more";
    CHECK(is_bad_call(words));
  }
  words = good;
  words.pop_back();
  CHECK(is_bad_call(words));
  words = good;
  words.push_back("more");
  CHECK(is_bad_call(words));
  const std::vector<Asked> many(513, one("ann", "r1"));
  CHECK(is_bad_call(sale.reserve_command(many)));
  CHECK(sale.everything() == before);
  CHECK(sale.reserve(std::vector<Asked>(512, one("ann", "r1"))).letters == "a" + std::string(511, 'R'));
}

TEST_CASE("reserve.lua in list mode pushes each order as one line, oldest at the right") {
  ScriptedTerms terms;
  terms.queue = QueueMode::list;
  ScriptedSale sale(terms);
  const std::string payload("a  b\n\0c", 7);
  sale.reserve({one("ann", "r1", "none"), one("ann", "r1", "phone", 2, payload), one("bob", "r2")});
  const auto pushed = redis().command({"LRANGE", sale.keys.orders, "0", "-1"}).elements;
  REQUIRE(pushed.size() == 2);
  CHECK(pushed[0].text == sale.terms.epoch + "-1.2 bob phone 1 r2 ");
  CHECK(pushed[1].text == sale.terms.epoch + "-1.1 ann phone 2 r1 " + payload);
  const auto taken = core::read_element(pushed[1].text);
  CHECK(taken.defect.empty());
  CHECK(taken.order.payload == payload);
  CHECK(sale.reserve({one("ann", "r1", "phone", 2)}).letters == "R");
  CHECK(redis().command({"LLEN", sale.keys.orders}).integer == 2);
}
