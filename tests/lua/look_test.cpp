#include <doctest/doctest.h>

#include "flashsale/redis.hpp"
#include "lua/scripted_sale.hpp"
#include "support/raw_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

TEST_CASE("look.lua answers as reserve.lua would, and changes nothing") {
  ScriptedSale sale({{{"phone", 2, 1}, {"case", 0, 1}}});
  sale.reserve({one("ann", "r1")});
  const auto before = sale.everything();
  const auto reply = sale.look({one("ann", "r1"), one("ann", "r1", "case"), one("ann", "r2"), one("bob", "r1"),
                                one("bob", "r2", "case"), one("bob", "r3", "none"), one("b b", "r4")});
  CHECK(reply.letters == "Rclosni");
  CHECK(reply.at == Position{1, 1});
  CHECK(reply.left == std::vector<std::int64_t>{1, 0});
  CHECK(to_string(reply.found.at(0).order) == "1-1.0");
  CHECK(sale.everything() == before);
  for (const auto& [state, shut] : {std::pair("closed", "e"), {"paused", "p"}, {"draining", "t"}, {"created", "w"}}) {
    sale.set_meta("state", state);
    CHECK(sale.look({one("bob", "r1")}).letters == shut);
  }
}

TEST_CASE("look.lua asked about a request alone names its order or says that nothing is reserved") {
  ScriptedSale sale;
  sale.reserve({one("ann", "r1", "phone", 2)});
  sale.set_meta("state", "closed");
  CHECK(sale.look({{"ann", "r1", "", "", 0}, {"ann", "r2", "", "", 0}, {"bob", "r1", "", "", 0}}).letters == "Ruu");
  CHECK(sale.look({{"", "r1", "", "", 0}, {"ann", "r 1", "", "", 0}, {"ann", "r1", "", "", 1}}).letters == "iin");
}

TEST_CASE("look.lua answers while Redis refuses writes for memory") {
  ScriptedSale sale;
  sale.reserve({one("ann", "r1")});
  redis().command({"CONFIG", "SET", "maxmemory", "1"});
  const auto words = sale.reserve_command({one("ann", "r1")});
  const Reply refused = redis().command({words.begin(), words.end()});
  const auto looked = sale.look({one("ann", "r1"), one("bob", "r2")});
  redis().command({"CONFIG", "SET", "maxmemory", "0"});
  CHECK(refused.text.rfind("OOM", 0) == 0);
  CHECK(looked.letters == "Ro");
}

TEST_CASE("a replica that hears nothing of its primary decides nothing, not even what it has") {
  PrivateRedis primary({"--repl-diskless-sync-delay", "0"}, Tcp::yes), replica({}, Tcp::yes);
  replica.replica_of(primary);
  make_raw_sale(*make_pool(primary.tcp_url()).value(), Sale{SaleId{"spring"}}.item(ItemId{"phone"}, 5, 2));
  core::SaleTerms terms("spring");
  terms.epoch = "1";
  terms.uuid = "u-spring";
  terms.items = {"phone"};
  core::BatchEncoder encoder;
  const Command look = encoder.look(terms, {{"ann", "r1", "", "", 0}}, kFarAway, kNonce).front();
  replica.command({"SCRIPT", "LOAD", core::script("look").text});
  CHECK(eventually([&] { return verdict(replica.command(look)) == "ok"; }));
  primary.kill_now();
  CHECK(eventually([&] { return verdict(replica.command(look)) == "stale"; }));
}
