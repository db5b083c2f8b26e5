// move.lua: an order leaves `reserved` once, by whichever verb came first, and the journal says so.
#include <doctest/doctest.h>

#include <functional>
#include <thread>

#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

ScriptedTerms with_holds(std::int64_t hold_ms) {
  ScriptedTerms terms;
  terms.hold_ms = hold_ms;
  return terms;
}

std::int64_t held_orders(const ScriptedSale& sale) { return std::stoll(sale.meta("held")); }

Reply run(const std::vector<std::string>& command) { return redis().command({command.begin(), command.end()}); }

}  // namespace

TEST_SUITE("lua/move") {
  TEST_CASE("a confirmed order is confirmed once, and later calls hear so") {
    ScriptedSale sale(with_holds(60'000));
    sale.reserve({one("ann", "r1")});
    REQUIRE(held_orders(sale) == 1);

    const auto first = sale.move(Verb::confirm, {one("ann", "r1")});
    CHECK(first.letters == "M");
    CHECK(to_string(first.found.at(0).order) == "1-1.0");
    CHECK(first.at == Position{1, 2});
    CHECK(sale.buyer("ann") == "1 1=1\nr1 1 1 0 1-1 c");
    CHECK(held_orders(sale) == 0);
    CHECK(sale.newest_entry() ==
          std::vector<std::string>{"1-2", "h", sale.newest_entry()[2], "o", "ann 1-1.0 phone 1 r1\n"});
    CHECK(sale.newest_entry()[2].rfind("1 confirm " + std::string(kNonce) + " " + std::string(kNonce) + " ", 0) == 0);

    const auto before = sale.everything();
    CHECK(sale.move(Verb::confirm, {one("ann", "r1")}).letters == "C");
    CHECK(sale.move(Verb::release, {one("ann", "r1")}).letters == "C");
    CHECK(sale.reserve({one("ann", "r1")}).letters == "C");
    CHECK(sale.look({one("ann", "r1")}).letters == "C");
    CHECK(sale.everything() == before);
  }

  TEST_CASE("a released order frees neither units nor limit before the database has it") {
    ScriptedSale sale(with_holds(60'000));
    sale.reserve({one("ann", "r1", "phone", 2)});
    CHECK(sale.move(Verb::release, {one("ann", "r1")}).letters == "M");
    CHECK(sale.meta("booked:1") == "2");
    CHECK(sale.buyer("ann") == "1 1=2\nr1 1 2 0 1-1 g");
    CHECK(sale.move(Verb::release, {one("ann", "r1")}).letters == "G");
    CHECK(sale.move(Verb::confirm, {one("ann", "r1")}).letters == "G");
    CHECK(sale.reserve({one("ann", "r1", "phone", 2)}).letters == "G");
    CHECK(sale.reserve({one("ann", "r2")}).letters == "l");
    CHECK(held_orders(sale) == 0);
  }

  TEST_CASE("past its deadline an order is expired for every verb, though nobody swept it") {
    ScriptedSale sale(with_holds(1));
    sale.reserve({one("ann", "r1")});
    std::this_thread::sleep_for(milliseconds{5});
    const auto before = sale.everything();
    for (const Verb verb : {Verb::confirm, Verb::release}) CHECK(sale.move(verb, {one("ann", "r1")}).letters == "E");
    CHECK(sale.reserve({one("ann", "r1")}).letters == "E");
    CHECK(sale.look({one("ann", "r1")}).letters == "E");
    CHECK(sale.everything() == before);
  }

  TEST_CASE("one batch sees what it did itself, and only the right order of a buyer moves") {
    ScriptedSale sale(with_holds(60'000));
    sale.reserve({one("ann", "r1"), one("ann", "r2"), one("bob", "r1")});
    const auto moved =
        sale.move(Verb::release, {one("ann", "r2"), one("ann", "r2"), one("bob", "r9"), one("cid", "r1")});
    CHECK(moved.letters == "MGuu");
    CHECK(sale.buyer("ann") == fmt::format("2 1=2\nr1 1 1 0 1-1 r {0}\nr2 1 1 1 1-1 g", sale.buyer("bob").substr(21)));
    CHECK(sale.newest_entry().size() == 5);
    CHECK(held_orders(sale) == 2);
  }

  TEST_CASE("an unknown order, another buyer's and another sale's change nothing") {
    ScriptedSale sale(with_holds(60'000)), other(with_holds(60'000));
    sale.reserve({one("ann", "r1")});
    const auto before = sale.everything();
    for (const Verb verb : {Verb::confirm, Verb::release}) {
      CHECK(sale.move(verb, {one("ann", "r2"), one("bob", "r1")}).letters == "uu");
      CHECK(other.move(verb, {one("ann", "r1")}).letters == "u");
    }
    CHECK(sale.everything() == before);
  }

  TEST_CASE("a sale without holds confirms and releases too, and in every state") {
    for (const char* act : {"open", "pause", "drain", "close"}) {
      CAPTURE(act);
      ScriptedSale sale;
      sale.reserve({one("ann", "r1"), one("bob", "r1")});
      sale.control(act);
      CHECK(sale.move(Verb::confirm, {one("ann", "r1")}).letters == "M");
      CHECK(sale.move(Verb::release, {one("bob", "r1")}).letters == "M");
    }
  }

  TEST_CASE("a fenced, foreign, late or torn sale moves nothing") {
    struct Row {
      const char* field;
      const char* value;
      const char* verdict;
    };
    for (const Row& row : {Row{"hist", "0123", "fenced"}, Row{"rec", "2 u", "fenced"}, Row{"epoch", "2", "fenced"},
                           Row{"layout", "9", "layout"}, Row{"uuid", "other", "stale"}}) {
      CAPTURE(row.field);
      ScriptedSale sale(with_holds(60'000));
      sale.reserve({one("ann", "r1")});
      sale.set_meta(row.field, row.value);
      const auto before = sale.everything();
      CHECK(verdict(run(sale.move_command(Verb::confirm, {one("ann", "r1")}))) == row.verdict);
      CHECK(sale.everything() == before);
    }
    ScriptedSale sale(with_holds(60'000));
    sale.reserve({one("ann", "r1")});
    CHECK(sale.move(Verb::confirm, {one("ann", "r1")}, 1).verdict == core::Verdict::late);
    redis().command({"DEL", sale.keys.journal});
    const auto before = sale.everything();
    CHECK(sale.move(Verb::confirm, {one("ann", "r1")}).verdict == core::Verdict::fenced);
    CHECK(sale.everything() == before);
  }

  TEST_CASE("arguments that no gate sends are an error and change nothing") {
    ScriptedSale sale(with_holds(60'000));
    sale.reserve({one("ann", "r1")});
    const auto before = sale.everything();
    auto command = sale.move_command(Verb::confirm, {one("ann", "r1")});
    REQUIRE(command.size() == 14);
    for (const auto& spoil : std::vector<std::function<void(std::vector<std::string>&)>>{
             [](auto& words) { words[11] = "expire"; }, [](auto& words) { words.pop_back(); },
             [](auto& words) { words.resize(12); }}) {
      auto words = command;
      spoil(words);
      CHECK(verdict(run(words)).find("FLASHSALE ARGV") != std::string::npos);
    }
    command[12] = "a b";
    CHECK(run(command).elements.at(4).text == "i");
    CHECK(sale.everything() == before);
  }
}
