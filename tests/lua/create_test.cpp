#include <doctest/doctest.h>

#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

TEST_CASE("create.lua makes the sale, its guard and the epoch's marker") {
  const ScriptedSale sale({{{"phone", 10, 2}, {"case", 0, 5}}, "created"});
  CHECK(verdict(sale.create_reply) == "ok");
  CHECK(sale.create_reply.elements.at(3).text == "1");
  CHECK(sale.meta("state") == "created");
  CHECK(sale.meta("seq") == "0");
  CHECK(sale.meta("watermark") == "1-0");
  CHECK(sale.meta("items") == "2");
  CHECK(sale.meta("item:2") == "case");
  CHECK(sale.meta("booked:2") == "0");
  CHECK(sale.meta("link") == kNonce);
  CHECK(sale.buyer("#") == "1");
  const auto entry = sale.newest_entry();
  CHECK(entry.at(0) == "1-0");
  CHECK(entry.at(2).rfind(fmt::format("1 create {} - ", kNonce), 0) == 0);
  CHECK(entry.at(4) == "created 0 0 0 50 0 16 journal sink-1 phone 10 2 case 0 5");
}

TEST_CASE("create.lua done twice by the same create answers same, and changes nothing") {
  const ScriptedSale sale;
  const auto before = sale.everything();
  const Reply again = sale.create("uuid-1");
  CHECK(verdict(again) == "same");
  CHECK(again.elements.at(3).text == "1");
  CHECK(again.elements.at(4).text == kNonce);
  CHECK(sale.everything() == before);
}

TEST_CASE("create.lua never overwrites another sale") {
  const ScriptedSale sale;
  const auto before = sale.everything();
  CHECK(verdict(sale.create("uuid-2")) == "exists");
  CHECK(sale.everything() == before);
}

TEST_CASE("create.lua never builds on what is left of another sale") {
  const ScriptedSale sale;
  for (const std::string& kept : {sale.keys.buyers, sale.keys.journal}) {
    sale.create("uuid-1");
    for (const auto& [key, content] : sale.everything())
      if (key != kept) redis().command({"DEL", key});
    INFO(kept);
    CHECK(verdict(sale.create("uuid-1")) == "exists");
    redis().command({"DEL", kept});
  }
}

TEST_CASE("create.lua in list mode takes Redis' time as epoch and writes no journal") {
  ScriptedTerms terms;
  terms.queue = QueueMode::list;
  const ScriptedSale sale(terms);
  CHECK(sale.meta("epoch") == sale.meta("last_ms"));
  CHECK(sale.everything().size() == 2);  // meta and buyers
}

TEST_CASE("create.lua after its caller's deadline writes nothing") {
  ScriptedSale sale;
  redis().command({"DEL", sale.keys.meta, sale.keys.buyers, sale.keys.journal, sale.keys.holds, sale.keys.ops});
  for (const std::string not_after : {"1", "nan", "inf", "1e18", "-1", "", "0x7fffffffffff", " 9999999999999"}) {
    auto arguments = sale.create_arguments("uuid-1");
    arguments[2] = not_after;
    INFO(not_after);
    CHECK(verdict(run_lua("create", sale.create_keys(), arguments)) == "late");
    CHECK(sale.everything().empty());
  }
}

TEST_CASE("create.lua takes no number that is none, and no item without its units and limit") {
  ScriptedSale sale;
  redis().command({"DEL", sale.keys.meta, sale.keys.buyers, sale.keys.journal, sale.keys.holds, sale.keys.ops});
  for (const std::size_t place : {0u, 5u, 6u, 7u, 8u, 9u, 10u, 14u, 15u}) {
    for (const std::string number : {"nan", "1e3", "-1", "", "1 ", "999999999999999999999"}) {
      auto arguments = sale.create_arguments("uuid-1");
      arguments.at(place) = number;
      INFO("argument " << place + 1 << " is '" << number << "'");
      CHECK(verdict(run_lua("create", sale.create_keys(), arguments)).find("FLASHSALE ARGV") != std::string::npos);
    }
  }
  auto cut = sale.create_arguments("uuid-1");
  cut.pop_back();
  CHECK(verdict(run_lua("create", sale.create_keys(), cut)).find("FLASHSALE ARGV") != std::string::npos);
  cut.resize(13);
  CHECK(verdict(run_lua("create", sale.create_keys(), cut)).find("FLASHSALE ARGV") != std::string::npos);
  CHECK(sale.everything().empty());
}
