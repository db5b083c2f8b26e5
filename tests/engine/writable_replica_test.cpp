// A replica shares its primary's history id, which the fence compares. One that may be written (replica-read-only no,
// or two primaries by mistake) must not sell by it what the primary sells too.
#include <doctest/doctest.h>

#include "core/keyspace.hpp"
#include "engine/reconcile.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/sale_controller.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/served_sale.hpp"
#include "support/topologies.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

constexpr milliseconds kLong{20'000};  // no test waits for it
constexpr milliseconds kShort{300};    // for what never comes

struct Pair {
  Pair() : primary(quick_replication(), Tcp::yes), replica(quick_replication(), Tcp::yes) {
    replica.command({"CONFIG", "SET", "replica-read-only", "no"});
    replica.replica_of(primary);
  }
  PrivateRedis primary, replica;
};

Call click(const ServedSale& sale, const std::string& buyer, milliseconds timeout) {
  Call call{SaleId{sale.id}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"r1"}};
  call.timeout = timeout;
  return call;
}

std::string field(PrivateRedis& redis, const ServedSale& sale, std::string_view name) {
  return redis.command({"HGET", core::Keys(sale.id).meta, name}).text;
}

}  // namespace

TEST_CASE("a writable replica never sells, is never told as a paused sale, and the sale goes on at the primary") {
  Pair pair;
  ServedSale sale(pair.primary);
  StockGate at_primary(make_pool(pair.primary.tcp_url()).value());
  REQUIRE(at_primary.reserve(click(sale, "ann", kLong)));
  REQUIRE(eventually([&] { return field(pair.replica, sale, "booked:1") == "1"; }));

  StockGate at_replica(make_pool(pair.replica.tcp_url()).value());
  const auto refused = at_replica.reserve(click(sale, "bob", kShort));
  REQUIRE_FALSE(refused);  // an answer would say something of the sale
  CHECK(refused.error().code == ErrorCode::timed_out);
  CHECK(refused.error().effect == Effect::none);
  const OrderKey ann{SaleId{sale.id}, BuyerId{"ann"}, RequestId{"r1"}};
  CHECK_FALSE(at_replica.confirm(ann, {kShort, Level::primary}));
  ControllerOptions hasty;
  hasty.timeout = kShort;
  CHECK_FALSE(SaleController(make_pool(pair.replica.tcp_url()).value(), sale.sink, hasty).pause(SaleId{sale.id}));
  CHECK(field(pair.replica, sale, "booked:1") == "1");
  CHECK(field(pair.replica, sale, "state") == "open");

  const auto won = at_primary.reserve(click(sale, "bob", kLong));
  REQUIRE(won);
  CHECK(won->outcome == Outcome::reserved);
  CHECK(field(pair.primary, sale, "booked:1") == "2");
}

TEST_CASE("a gate whose primary became a writable replica of another goes on there, with the connection it had") {
  Pair pair;
  ServedSale sale(pair.primary);
  StockGate gate(make_pool("redis+replicas://" + address_of(pair.primary) + "," + address_of(pair.replica)).value());
  REQUIRE(gate.reserve(click(sale, "ann", kLong)));
  OrderWorker worker(sale.pool, sale.sink, {}, {sale.id});
  REQUIRE(worker.drain(soon()));

  pair.primary.command({"CONFIG", "SET", "replica-read-only", "no"});
  pair.replica.command({"REPLICAOF", "NO", "ONE"});
  sale.move_to(pair.replica);
  REQUIRE(engine::reconcile(sale.pool, sale.sink, sale.id, soon()));
  // From now on both nodes have the new history, and the gate's connection leads to the one that is a replica.
  pair.primary.replica_of(pair.replica);
  REQUIRE(eventually([&] { return field(pair.primary, sale, "epoch") == "2"; }));
  const auto won = gate.reserve(click(sale, "bob", kLong));
  REQUIRE_MESSAGE(won, (won ? "" : to_string(won.error())));
  CHECK(won->outcome == Outcome::reserved);
  CHECK(field(pair.replica, sale, "booked:1") == "2");
  CHECK(eventually([&] { return field(pair.primary, sale, "booked:1") == "2"; }));
}
