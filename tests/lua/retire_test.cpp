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
  CHECK(verdict(sale.retire()) == "waiting");
  sale.set_meta("watermark", "1-2");
  CHECK(verdict(sale.retire()) == "waiting");
  sale.set_meta("watermark", "1-3");
  CHECK(verdict(sale.retire("uuid-2")) == "stale");
  CHECK(verdict(sale.retire()) == "ok");
  CHECK(sale.everything().empty());
  CHECK(verdict(sale.retire()) == "absent");
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
