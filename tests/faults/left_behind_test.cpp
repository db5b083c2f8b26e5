// What a node may not say that knows less than another: one that was demoted, one that hears its primary late, and one
// that is fenced while a copy of the request may have won.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <thread>

#include "core/keyspace.hpp"
#include "engine/reconcile.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/served_sale.hpp"
#include "support/topologies.hpp"
#include "support/wire_proxy.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

Call click(const ServedSale& sale, std::string_view buyer, milliseconds timeout) {
  Call call{SaleId{sale.id}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}};
  call.timeout = timeout;
  call.level = Level::primary;
  return call;
}

OrderKey key(const ServedSale& sale, std::string_view buyer) {
  return {SaleId{sale.id}, BuyerId{buyer}, RequestId{"click"}};
}

/// Follows through a link that can be stalled.
void follow(PrivateRedis& replica, const WireProxy& link) {
  replica.command({"REPLICAOF", "127.0.0.1", std::to_string(link.port())});
  replica.wait_linked();
}

}  // namespace

TEST_CASE("`fenced` is no answer to a request whose lost copy may have won") {
  PrivateRedis redis;
  ServedSale sale(redis);
  WireProxy wire(redis.socket_path());
  StockGate gate(make_pool(wire.url()).value());
  REQUIRE(gate.reserve(click(sale, "early", milliseconds{20'000})));
  wire.cut_replies_after(0);
  const std::string seq = sale.meta("seq");
  Result<Answer> answer = Answer{};
  std::thread caller([&] { answer = gate.reserve(click(sale, "ann", milliseconds{3'000})); });
  CHECK(eventually([&] { return sale.meta("seq") != seq; }));
  // No later copy may reach Redis before it is fenced, and no reply to one that did come through afterwards.
  wire.cut_requests_after(0);
  redis.command({"HSET", core::Keys(sale.id).meta, "hist", "0123"});
  wire.cut_now();
  wire.pass();
  caller.join();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().effect == Effect::unknown);
}

TEST_CASE("a primary that was demoted meanwhile answers no look, though its history is the new primary's") {
  PrivateRedis old(quick_replication(), Tcp::yes), risen(quick_replication(), Tcp::yes);
  ServedSale sale(old);
  risen.replica_of(old);
  StockGate gate(make_pool(old.url()).value());
  REQUIRE(gate.reserve(click(sale, "early", milliseconds{20'000})));
  risen.command({"REPLICAOF", "NO", "ONE"});
  sale.move_to(risen);
  REQUIRE(engine::reconcile(sale.pool, sale.sink, sale.id, soon()));
  WireProxy link(fmt::format("127.0.0.1:{}", risen.port()), Tcp::yes);
  follow(old, link);
  const std::string meta = core::Keys(sale.id).meta;
  REQUIRE(eventually([&] { return old.command({"HGET", meta, "hist"}).text == sale.meta("hist"); }));
  link.stall();
  CHECK(eventually([&] { return sale.sell({{"ann", "click"}}) == "a"; }));
  const auto answer = gate.resolve(key(sale, "ann"), {milliseconds{1'000}, Level::primary});
  CHECK_MESSAGE(!answer, "the old primary said " << std::string(answer ? name(answer->outcome) : ""));
}

TEST_CASE("a replica that has not heard of a confirm does not say that the hold ran out") {
  PrivateRedis primary(quick_replication(), Tcp::yes), replica(quick_replication(), Tcp::yes);
  ServedTerms terms;
  terms.hold_ms = 1'000;
  WireProxy link(fmt::format("127.0.0.1:{}", primary.port()), Tcp::yes);
  follow(replica, link);
  ServedSale sale(primary, terms);
  StockGate gate(make_pool(fmt::format("redis+replicas://{},{}?replica_lag_max_bytes=1000000&replica_lag_max_ms=30000",
                                       address_of(primary), address_of(replica)))
                     .value());
  const auto reserved = gate.reserve(click(sale, "ann", milliseconds{20'000}));
  REQUIRE(reserved);
  REQUIRE(reserved->outcome == Outcome::reserved);
  const std::string buyers = core::Keys(sale.id).buyers;
  REQUIRE(eventually([&] { return !replica.command({"HGET", buyers, "ann"}).text.empty(); }));
  link.stall();
  const auto confirmed = gate.confirm(key(sale, "ann"), {milliseconds{20'000}, Level::primary});
  REQUIRE(confirmed);
  if (confirmed->outcome == Outcome::expired) return;  // a slow machine: then it did run out
  REQUIRE(eventually([&] {
    const Reply time = primary.command({"TIME"});
    return std::stoll(time.elements[0].text) * 1000 > reserved->hold_until_ms;
  }));
  const auto status = gate.status(key(sale, "ann"), {milliseconds{20'000}, Level::primary});
  REQUIRE(status);
  CHECK(status->outcome == Outcome::already_confirmed);
}
