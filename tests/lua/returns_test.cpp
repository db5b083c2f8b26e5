// expire.lua and credit.lua: a hold ends once, and its units come back once, when the database has it.
#include <doctest/doctest.h>

#include <thread>

#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

ScriptedTerms with_holds(std::int64_t hold_ms, std::int64_t units = 10, std::int64_t limit = 2) {
  ScriptedTerms terms;
  terms.items = {{"phone", units, limit}};
  terms.hold_ms = hold_ms;
  return terms;
}

void let_holds_run_out() { std::this_thread::sleep_for(milliseconds{5}); }

}  // namespace

TEST_SUITE("lua/returns") {
  TEST_CASE("a hold that ran out is swept once, with its entry, and its units are not free yet") {
    ScriptedSale sale(with_holds(1));
    sale.reserve({one("ann", "r1"), one("ann", "r2"), one("bob", "r1")});
    let_holds_run_out();
    const Reply swept = sale.expire();
    REQUIRE(verdict(swept) == "ok");
    CHECK(swept.elements.at(3).integer == 3);
    CHECK(swept.elements.at(4).integer == 3);
    CHECK(swept.elements.at(5).integer == 0);
    CHECK(sale.buyer("ann") == "2 1=2\nr1 1 1 0 1-1 x\nr2 1 1 1 1-1 x");
    CHECK(sale.meta("booked:1") == "3");
    const auto entry = sale.newest_entry();
    REQUIRE(entry.size() == 5);
    CHECK(entry[0] == "1-2");
    CHECK(entry[2].rfind("1 expire ", 0) == 0);
    CHECK(entry[3] == "o");
    CHECK(entry[4] == "ann 1-1.0 phone 1 r1\nann 1-1.1 phone 1 r2\nbob 1-1.2 phone 1 r1\n");
    CHECK(sale.reserve({one("ann", "r1")}).letters == "X");
    const auto before = sale.everything();
    CHECK(sale.expire().elements.at(4).integer == 0);
    CHECK(sale.everything() == before);
  }

  TEST_CASE("a hold that still runs is left, and its deadline told") {
    ScriptedSale sale(with_holds(60'000));
    const auto batch = sale.reserve({one("ann", "r1")});
    const auto before = sale.everything();
    const Reply swept = sale.expire();
    CHECK(swept.elements.at(4).integer == 0);
    CHECK(swept.elements.at(5).integer == batch.hold_until_ms);
    CHECK(sale.everything() == before);
  }

  TEST_CASE("what was confirmed, released, set aside or is not there is only forgotten by the sweeper") {
    ScriptedSale sale(with_holds(30'000));
    sale.reserve({one("ann", "r1"), one("bob", "r1"), one("cid", "r1")});
    sale.move(Verb::confirm, {one("ann", "r1")});
    sale.move(Verb::release, {one("bob", "r1")});
    std::string dead = sale.buyer("cid");
    dead.replace(dead.find(" r "), 3, " k ");
    redis().command({"HSET", sale.keys.buyers, "cid", dead});
    redis().command({"ZADD", sale.keys.holds, "1", "1-1 ann bob cid", "1", "1-9 nobody"});
    const std::string seq = sale.meta("seq");
    const Reply swept = sale.expire();
    CHECK(swept.elements.at(3).integer == 0);
    CHECK(swept.elements.at(4).integer == 4);
    CHECK(sale.meta("seq") == seq);
    CHECK(redis().command({"ZCARD", sale.keys.holds}).integer == 1);  // the guard
    CHECK(sale.buyer("ann").back() == 'c');
    CHECK(sale.buyer("bob").back() == 'g');
  }

  TEST_CASE(
      "an order that is held longer than its entry is swept when its own hold ends, and not forgotten till then") {
    ScriptedSale sale(with_holds(1));
    sale.reserve({one("ann", "r1"), one("ann", "r2"), one("bob", "r1")});
    const auto hold_second_until = [&](const std::string& first, std::int64_t ms) {
      redis().command(
          {"HSET", sale.keys.buyers, "ann", fmt::format("2 1=2\nr1 1 1 0 1-1 {}\nr2 1 1 1 1-1 r {}", first, ms)});
    };
    hold_second_until("r 1", kFarAway);  // as settle.lua leaves one that was set aside and retried
    let_holds_run_out();
    CHECK(sale.expire().elements.at(3).integer == 2);
    CHECK(sale.buyer("ann") == fmt::format("2 1=2\nr1 1 1 0 1-1 x\nr2 1 1 1 1-1 r {}", kFarAway));
    CHECK(sale.buyer("bob").back() == 'x');
    CHECK(sale.meta("held") == "1");
    const Reply left = redis().command({"ZRANGE", sale.keys.holds, "0", "-1", "WITHSCORES"});
    REQUIRE(left.elements.size() == 4);  // the guard is the last
    CHECK(left.elements[0].text == "1-1 ann");
    CHECK(left.elements[1].text == std::to_string(kFarAway));

    hold_second_until("x", 1);
    redis().command({"ZADD", sale.keys.holds, "LT", "1", "1-1 ann"});
    CHECK(sale.expire().elements.at(3).integer == 1);
    CHECK(sale.buyer("ann") == "2 1=2\nr1 1 1 0 1-1 x\nr2 1 1 1 1-1 x");
    CHECK(sale.meta("held") == "0");
  }

  TEST_CASE("a crowd of holds is swept in chunks, each order once, none of them long") {
    ScriptedSale sale(with_holds(1, 1'000'000, 1));
    constexpr int kOrders = 20'000;
    for (int i = 0; i < kOrders; i += 500) {
      std::vector<std::string> names;
      for (int j = i; j < i + 500; ++j) names.push_back(fmt::format("buyer-{}", j));
      std::vector<core::Asked> asked;
      for (const auto& name : names) asked.push_back(one(name, "r1"));
      sale.reserve(asked);
    }
    let_holds_run_out();
    std::int64_t expired = 0;
    for (int call = 0; call < kOrders; ++call) {
      const Reply swept = sale.expire();
      expired += swept.elements.at(3).integer;
      CHECK(swept.elements.at(4).integer <= 512);
      if (swept.elements.at(5).integer == 0) break;
    }
    CHECK(expired == kOrders);
  }

  TEST_CASE("crediting frees units and limit together, once") {
    ScriptedSale sale(with_holds(60'000, 10, 2));
    sale.reserve({one("ann", "r1", "phone", 2), one("bob", "r1")});
    sale.move(Verb::release, {one("ann", "r1")});
    const Reply credited = sale.credit({"ann", "0 1-1", "bob", "1 1-1", "cid", "2 1-1"});
    REQUIRE(verdict(credited) == "ok");
    CHECK(credited.elements.at(3).integer == 1);
    CHECK(sale.meta("booked:1") == "1");
    CHECK(sale.buyer("ann") == "1 1=0\nr1 1 2 0 1-1 d");
    CHECK(sale.meta("reopen_ms:1") == "0");  // there were units to sell all the time
    CHECK(sale.meta("seq") == "2");
    CHECK(sale.credit({"ann", "0 1-1"}).elements.at(3).integer == 0);
    CHECK(sale.meta("booked:1") == "1");
    CHECK(sale.reserve({one("ann", "r1", "phone", 2), one("ann", "r2", "phone", 2)}).letters == "Da");
  }

  TEST_CASE("an expired hold is credited as expired, both orders of one buyer in one call") {
    ScriptedSale sale(with_holds(1));
    sale.reserve({one("ann", "r1"), one("ann", "r2")});
    let_holds_run_out();
    sale.expire();
    CHECK(sale.credit({"ann", "0 1-1", "ann", "1 1-1"}).elements.at(3).integer == 2);
    CHECK(sale.buyer("ann") == "2 1=0\nr1 1 1 0 1-1 e\nr2 1 1 1 1-1 e");
    CHECK(sale.meta("booked:1") == "0");
    CHECK(sale.look({one("ann", "r2")}).letters == "E");
  }

  TEST_CASE("units of a sold-out item sell again once everybody who refuses locally has looked again") {
    ScriptedTerms terms = with_holds(60'000, 2, 2);
    terms.probe_ms = 200;
    ScriptedSale sale(terms);
    sale.reserve({one("ann", "r1"), one("bob", "r1")});
    CHECK(sale.reserve({one("cid", "r1")}).letters == "s");
    sale.move(Verb::release, {one("ann", "r1"), one("bob", "r1")});
    sale.credit({"ann", "0 1-1"});
    const std::string reopen = sale.meta("reopen_ms:1");
    CHECK(std::stoll(reopen) == std::stoll(sale.meta("last_ms")) + 200);
    CHECK(sale.reserve({one("cid", "r1")}).letters == "s");
    sale.credit({"bob", "1 1-1"});  // units that come while one is ahead join it and do not move it
    CHECK(sale.meta("reopen_ms:1") == reopen);
    CHECK(eventually([&] { return sale.reserve({one("cid", "r1", "phone", 2)}).letters == "a"; }));
    CHECK(sale.reserve({one("dan", "r1")}).letters == "s");
  }

  TEST_CASE("arguments that no worker sends are an error") {
    ScriptedSale sale(with_holds(60'000));
    CHECK(verdict(sale.credit({})).find("FLASHSALE ARGV") != std::string::npos);
    CHECK(verdict(sale.credit({"ann"})).find("FLASHSALE ARGV") != std::string::npos);
    CHECK(verdict(sale.credit(std::vector<std::string>(1002, "x"))).find("FLASHSALE ARGV") != std::string::npos);
  }
}
