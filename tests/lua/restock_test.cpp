#include <doctest/doctest.h>

#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

TEST_CASE("restock.lua changes the total once for each operation") {
  const ScriptedSale sale;
  const Reply first = sale.restock("1", "5", "more");
  CHECK(verdict(first) == "ok");
  CHECK(sale.meta("total:1") == "15");
  CHECK(sale.newest_entry().at(4) == "more phone 5");
  const auto before = sale.everything();
  const Reply again = sale.restock("1", "5", "more");
  CHECK(verdict(again) == "same");
  CHECK(again.elements.at(4).text == first.elements.at(4).text);
  CHECK(verdict(sale.restock("1", "6", "more")) == "conflict");
  CHECK(sale.everything() == before);
}

TEST_CASE("restock.lua takes away down to what is booked, and not one unit more") {
  ScriptedSale sale;
  sale.reserve({one("ann", "r1", "phone", 2), one("bob", "r2")});
  CHECK(verdict(sale.restock("1", "-8", "a")) == "booked");
  CHECK(sale.meta("total:1") == "10");
  CHECK(verdict(sale.restock("1", "-7", "b")) == "ok");
  CHECK(sale.meta("total:1") == "3");
  CHECK(sale.reserve({one("cid", "r3")}).letters == "s");
  CHECK(verdict(sale.restock("1", "-1", "c")) == "booked");
}

TEST_CASE("restock.lua adds up to 2^31-1 units") {
  const ScriptedSale sale;
  CHECK(verdict(sale.restock("1", "2147483638", "a")) == "booked");
  CHECK(verdict(sale.restock("1", "2147483637", "b")) == "ok");
  CHECK(sale.meta("total:1") == "2147483647");
  CHECK(verdict(sale.restock("1", "99999999999", "c")) == "booked");
}

TEST_CASE("restock.lua lets units of a sold-out item be sold probe_ms later, and more that come join them") {
  ScriptedSale sale({{{"phone", 1, 1}}});
  sale.reserve({one("ann", "r1")});
  const Reply reply = sale.restock("1", "1", "a");
  CHECK(reply.elements.at(5).integer == reply.elements.at(2).integer + 50);
  CHECK(sale.meta("reopen_ms:1") == std::to_string(reply.elements[5].integer));

  sale.set_meta("reopen_ms:1", "4000000000000");
  CHECK(sale.reserve({one("bob", "r2")}).letters == "s");
  CHECK(sale.restock("1", "1", "b").elements.at(5).integer == 4000000000000);
  sale.set_meta("reopen_ms:1", "1");
  CHECK(sale.reserve({one("bob", "r2")}).letters == "a");
  CHECK(sale.restock("1", "1", "c").elements.at(5).integer == 1);  // one was left: nothing refused it
}

TEST_CASE("restock.lua takes the thousandth operation and no more") {
  const ScriptedSale sale;
  for (int i = 1; i < 1000; ++i) redis().command({"HSET", sale.keys.ops, fmt::format("old-{}", i), "1 1"});
  CHECK(verdict(sale.restock("1", "1", "thousandth")) == "ok");
  CHECK(verdict(sale.restock("1", "1", "one-more")) == "full");
  CHECK(verdict(sale.restock("1", "1", "thousandth")) == "same");
}

TEST_CASE("restock.lua without its operations does not take a repeated one for new") {
  const ScriptedSale sale;
  CHECK(verdict(sale.restock("1", "1", "once")) == "ok");
  redis().command({"DEL", sale.keys.ops});
  const std::string total = sale.meta("total:1");
  CHECK(verdict(sale.restock("1", "1", "once")) == "fenced");
  CHECK(sale.meta("total:1") == total);
}

TEST_CASE("restock.lua knows no item that the sale has not") {
  const ScriptedSale sale;
  CHECK(verdict(sale.restock("2", "1", "a")) == "stale");
}

TEST_CASE("restock.lua refuses what is no item, number of units or operation") {
  const ScriptedSale sale;
  const auto before = sale.everything();
  const auto refused = [&](const std::string& item, const std::string& units, const std::string& operation) {
    return verdict(sale.restock(item, units, operation)).find("FLASHSALE ARGV") != std::string::npos;
  };
  for (const std::string item : {"0", "", "-1", "100", "1.0", "nan", "1:x"}) CHECK(refused(item, "1", "a"));
  for (const std::string units : {"0", "", "+1", "1e3", "nan", "-0", "1.5", "100000000000"})
    CHECK(refused("1", units, "a"));
  for (const std::string operation : {"", "a b", "a\n", "a|b"}) CHECK(refused("1", "1", operation));
  CHECK(refused("1", "1", std::string(65, 'a')));
  CHECK(sale.everything() == before);
}
