#include <doctest/doctest.h>

#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

TEST_CASE("retire.lua removes every key of a closed sale whose journal is in the database") {
  ScriptedSale sale;
  sale.reserve({one("ann", "r1")});
  sale.restock("1", "1", "a");
  redis().command({"HSET", sale.keys.info, "phone", "facts"});
  CHECK(verdict(sale.retire()) == "state");
  CHECK(sale.retire().elements.at(3).text == "open");
  sale.control("close");
  CHECK(verdict(sale.retire("uuid-1", "1-2")) == "waiting");
  CHECK(verdict(sale.retire("uuid-2", "1-3")) == "stale");
  for (int i = 0; i < 2; ++i) CHECK(verdict(sale.retire("uuid-1", "1-3")) == "ok");
  CHECK(verdict(sale.retire("uuid-1", "retired")) == "ok");
  CHECK(sale.everything().empty());
  CHECK(verdict(sale.retire("uuid-1", "1-3")) == "absent");
}

TEST_CASE("once retire.lua has fenced a sale nothing of it moves any more, and a reconcile may open it again") {
  ScriptedSale sale;
  sale.reserve({one("ann", "r1")});
  sale.control("close");
  REQUIRE(verdict(sale.retire("uuid-1", "1-2")) == "ok");
  const auto before = sale.everything();
  const auto move = sale.move_command(Verb::confirm, {one("ann", "r1")});
  CHECK(verdict(redis().command({move.begin(), move.end()})) == "fenced");
  CHECK(verdict(sale.restock("1", "1", "a")) == "fenced");
  CHECK(verdict(run_lua("expire", sale.expire_keys(), sale.head_arguments())) == "fenced");
  CHECK(sale.everything() == before);
  CHECK(sale.meta("rec") == "retire");
}

TEST_CASE("retire.lua in list mode waits until the list is empty and no consumer is left") {
  ScriptedTerms terms;
  terms.queue = QueueMode::list;
  ScriptedSale sale(terms);
  sale.reserve({one("ann", "r1")});
  sale.control("close");
  CHECK(verdict(sale.retire()) == "waiting");
  redis().command({"LMOVE", sale.keys.orders, sale.keys.taken("worker"), "RIGHT", "LEFT"});
  redis().command({"ZADD", sale.keys.consumers, "1", "worker"});
  CHECK(verdict(sale.retire()) == "waiting");
  redis().command({"DEL", sale.keys.taken("worker"), sale.keys.consumers});
  CHECK(verdict(sale.retire()) == "ok");
  CHECK(sale.everything().empty());
}

TEST_CASE("retire.lua finishes what the database has decided, whatever is left of the sale") {
  ScriptedSale sale;
  CHECK(verdict(sale.retire("uuid-2", "retired")) == "stale");
  SUBCASE("still open, for the crash came in between") {}
  SUBCASE("without meta") { redis().command({"DEL", sale.keys.meta}); }
  SUBCASE("without its guard") { redis().command({"DEL", sale.keys.buyers}); }
  SUBCASE("on another history") { sale.set_meta("hist", "-"); }
  CHECK(verdict(sale.retire("uuid-1", "retired")) == "ok");
  CHECK(sale.everything().empty());
}
