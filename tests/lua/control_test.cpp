#include <doctest/doctest.h>

#include <map>

#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

std::int64_t effective(const Reply& reply) { return reply.elements.at(5).integer; }
std::int64_t now(const Reply& reply) { return reply.elements.at(2).integer; }

}  // namespace

TEST_CASE("control.lua lets each act come from its states only") {
  // Rows: the state before. Columns: what the act makes of it; "=" it is so already, "-" not from here.
  const std::vector<std::string> acts{"open", "pause", "resume", "drain", "close"};
  const std::map<std::string, std::vector<std::string>> table{
      {"created", {"open", "-", "-", "-", "closed"}},
      {"open", {"=", "paused", "=", "draining", "closed"}},
      {"paused", {"-", "=", "open", "draining", "closed"}},
      {"draining", {"-", "paused", "open", "=", "closed"}},
      {"closed", {"-", "-", "-", "-", "="}},
  };
  for (const auto& [state, row] : table) {
    for (std::size_t i = 0; i < acts.size(); ++i) {
      INFO(acts[i] << " of a sale that is " << state);
      const ScriptedSale sale;
      sale.set_meta("state", state);
      const auto before = sale.everything();
      const Reply reply = sale.control(acts[i]);
      const bool changes = row[i] != "=" && row[i] != "-";
      CHECK(verdict(reply) == (changes ? "ok" : row[i] == "=" ? "same" : "state"));
      if (row[i] == "-") CHECK(reply.elements.at(3).text == state);
      if (row[i] == "=") CHECK(reply.elements.at(4).text == "0");
      CHECK(sale.meta("state") == (changes ? row[i] : state));
      CHECK((sale.everything() == before) == !changes);
    }
  }
}

TEST_CASE("control.lua schedules a sale that is created, open or paused") {
  const std::map<std::string, std::string> becomes{{"created", "open"}, {"open", "open"}, {"paused", "paused"}};
  for (const std::string state : {"created", "open", "paused", "draining", "closed"}) {
    INFO(state);
    const ScriptedSale sale;
    sale.set_meta("state", state);
    const auto found = becomes.find(state);
    CHECK(verdict(sale.control("schedule", "4000000000000", "5000000000000")) ==
          (found != becomes.end() ? "ok" : "state"));
    CHECK(sale.meta("state") == (found != becomes.end() ? found->second : state));
    CHECK(sale.meta("opens_ms") == (found != becomes.end() ? "4000000000000" : "0"));
  }
}

TEST_CASE("control.lua writes one entry an act, gapless, linked, with the schedule as it is from then on") {
  const ScriptedSale sale;
  const Reply reply = sale.control("schedule", "", "5000000000000");
  CHECK(reply.elements.at(3).text == "1");
  CHECK(reply.elements.at(4).text == "1");
  CHECK(sale.meta("seq") == "1");
  const auto entry = sale.newest_entry();
  CHECK(entry.at(0) == "1-1");
  CHECK(entry.at(2) == fmt::format("1 schedule {} {} {} 0", kNonce, kNonce, now(reply)));
  CHECK(entry.at(4) == "open 0 5000000000000");
  CHECK(verdict(sale.control("schedule", "", "5000000000000")) == "same");
  CHECK(verdict(sale.control("schedule")) == "same");
}

TEST_CASE("control.lua with only a closing time does not open a created sale") {
  const ScriptedSale sale({{{"phone", 1, 1}}, "created"});
  CHECK(verdict(sale.control("schedule", "", "5000000000000")) == "ok");
  CHECK(sale.meta("state") == "created");
}

TEST_CASE("control.lua opens a scheduled sale now, whatever its schedule said") {
  const ScriptedSale sale;
  sale.control("schedule", "4000000000000");
  const Reply reply = sale.control("open");
  CHECK(verdict(reply) == "ok");
  CHECK(sale.meta("opens_ms") == std::to_string(now(reply)));
}

TEST_CASE("control.lua sells again only probe_ms after every process was told") {
  const ScriptedSale sale({{{"phone", 1, 1}}, "created"});
  SUBCASE("after the first opening") {
    const Reply reply = sale.control("open");
    CHECK(effective(reply) == now(reply) + 50);
  }
  SUBCASE("after a pause") {
    sale.set_meta("state", "paused");
    const Reply reply = sale.control("resume");
    CHECK(effective(reply) == now(reply) + 50);
    CHECK(sale.meta("reopen_ms") == std::to_string(effective(reply)));
  }
  SUBCASE("with an earlier opening") {
    sale.control("schedule", "5000000000000");
    const Reply reply = sale.control("schedule", "4000000000000");
    CHECK(effective(reply) == now(reply) + 50);
  }
  SUBCASE("with a later closing of a sale that has ended") {
    sale.set_meta("state", "open");
    sale.set_meta("closes_ms", "1");
    const Reply reply = sale.control("schedule", "", "0");
    CHECK(effective(reply) == now(reply) + 50);
  }
  SUBCASE("with a closing put off behind an opening that was never to come") {
    sale.set_meta("state", "open");
    sale.set_meta("opens_ms", "4000000000000");
    sale.set_meta("closes_ms", "1");
    const Reply reply = sale.control("schedule", "", "5000000000000");
    CHECK(effective(reply) == now(reply) + 50);
  }
}

TEST_CASE("control.lua lets an act that sells nothing sooner be in force at once") {
  const ScriptedSale sale;
  for (const std::string act : {"pause", "drain", "close"}) CHECK(effective(sale.control(act)) == 0);
  const ScriptedSale later;
  CHECK(effective(later.control("schedule", "4000000000000")) == 0);
  const ScriptedSale closing;
  CHECK(effective(closing.control("schedule", "", "4000000000000")) == 0);
}

TEST_CASE("control.lua refuses acts and times that are none") {
  const ScriptedSale sale;
  const auto before = sale.everything();
  CHECK(verdict(sale.control("sell")).find("FLASHSALE ARGV") != std::string::npos);
  CHECK(verdict(sale.control("")).find("FLASHSALE ARGV") != std::string::npos);
  for (const std::string time : {"nan", "inf", "1e9", "-1", "1.5", " 1", "1000000000000000"}) {
    INFO(time);
    CHECK(verdict(sale.control("schedule", time)).find("FLASHSALE ARGV") != std::string::npos);
    CHECK(verdict(sale.control("schedule", "", time)).find("FLASHSALE ARGV") != std::string::npos);
  }
  CHECK(sale.everything() == before);
}

TEST_CASE("control.lua acts on list mode sales without a journal") {
  ScriptedTerms terms;
  terms.queue = QueueMode::list;
  const ScriptedSale sale(terms);
  CHECK(verdict(sale.control("pause")) == "ok");
  CHECK(sale.meta("seq") == "1");
  CHECK(redis().command({"EXISTS", sale.keys.orders}).integer == 0);
}
