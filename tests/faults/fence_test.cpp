// Whatever Redis forgets, it stops selling until a reconcile rebuilt it; then no order that the database had is
// missing, none is there twice, and exactly the rest of the stock is sold.
#include <doctest/doctest.h>

#include <thread>

#include "core/keyspace.hpp"
#include "engine/reconcile.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

void persist(ServedSale& sale) {
  OrderWorker worker(sale.pool, sale.sink, {}, {sale.id});
  const auto drained = worker.drain(soon());
  REQUIRE_MESSAGE(drained, (drained ? std::string() : to_string(drained.error())));
}

/// Reconciles, then sells the rest of 100 units and not one more. `lost` orders were won and then forgotten by Redis
/// before the database had them.
void recover_and_sell_the_rest(ServedSale& sale, std::size_t lost = 0) {
  const auto stored = sale.orders();
  REQUIRE(engine::reconcile(sale.pool, sale.sink, sale.id, soon()));
  for (const OrderRow& row : stored) CHECK(sale.sell({{row.order.buyer, row.order.request}}) == "R");
  sale.check_database(lost);
  CHECK(eventually([&] { return sale.sell({{"first", "click"}}) == "a"; }));
  sale.sell_to_crowd("rest", 100 - (sale.won.size() - lost), 11);
  CHECK(sale.sell({{"late", "click"}}) == "s");
  persist(sale);
  sale.check_database(lost);
  CHECK(sale.row().items[0].sold == 100);
}

}  // namespace

TEST_CASE("after a promotion the sale is fenced, and nothing that the replica or the database had is lost") {
  PrivateRedis primary({}, Tcp::yes);
  PrivateRedis replica({}, Tcp::yes);
  replica.replica_of(primary);
  ServedSale sale(primary);
  sale.sell_to_crowd("stored", 20);
  persist(sale);
  sale.sell_to_crowd("replicated", 20);
  REQUIRE(eventually([&] {
    return replica.command({"HGET", core::Keys(sale.id).meta, "seq"}).text == sale.meta("seq");
  }));
  primary.kill_now();
  replica.command({"REPLICAOF", "NO", "ONE"});
  sale.move_to(replica);
  CHECK(sale.sell({{"nobody", "click"}}) == "fenced");
  recover_and_sell_the_rest(sale);
}

TEST_CASE("orders that only the database had are there again on a promoted replica that never saw them") {
  PrivateRedis primary({}, Tcp::yes);
  PrivateRedis replica({}, Tcp::yes);
  replica.replica_of(primary);
  ServedSale sale(primary);
  sale.sell_to_crowd("replicated", 20);
  REQUIRE(eventually([&] {
    return replica.command({"HGET", core::Keys(sale.id).meta, "seq"}).text == sale.meta("seq");
  }));
  replica.command({"REPLICAOF", "NO", "ONE"});  // the partition: the old primary sells on and its worker persists
  sale.sell_to_crowd("stored", 20);
  persist(sale);
  sale.move_to(replica);
  CHECK(sale.sell({{"nobody", "click"}}) == "fenced");
  recover_and_sell_the_rest(sale);

  sale.move_to(primary);  // the zombie: its history is its own, so it sells, but nothing of it is ever committed
  sale.won.clear();
  sale.redis().command({"HSET", core::Keys(sale.id).meta, "total:1", "1000"});
  CHECK(sale.sell({{"zombie", "click"}}) == "a");
  OrderWorker worker(sale.pool, sale.sink,
                     [] {
                       WorkerOptions options;
                       options.reconcile = false;
                       return options;
                     }(),
                     {sale.id});
  CHECK(!worker.drain(Deadline::clock::now() + milliseconds{100}));
  CHECK(sale.orders().size() == 100);
}

TEST_CASE("after a restart from an old snapshot the database's orders are all there") {
  PrivateRedis redis({"--save", "", "--appendonly", "no"});
  ServedSale sale(redis);
  sale.sell_to_crowd("saved", 20);
  redis.command({"SAVE"});
  sale.sell_to_crowd("stored", 20);
  persist(sale);
  sale.sell_to_crowd("forgotten", 20);
  redis.kill_now();
  redis.start();
  CHECK(sale.sell({{"nobody", "click"}}) == "fenced");
  recover_and_sell_the_rest(sale, 20);
}

TEST_CASE("a sale put back to an earlier state under the same history is fenced by whoever saw more, and comes back") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const core::Keys keys(sale.id);
  StockGate gate(sale.pool, {milliseconds{20'000}});
  const auto reserve = [&](const std::string& buyer) {
    return gate.reserve({SaleId{sale.id}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}});
  };
  sale.sell_to_crowd("stored", 20);
  persist(sale);
  std::map<std::string, std::string> kept;
  for (const std::string& key : {keys.meta, keys.buyers, keys.journal}) kept[key] = redis.command({"DUMP", key}).text;
  sale.sell_to_crowd("forgotten", 19);
  const auto seen = reserve("forgotten");
  REQUIRE((seen && seen->outcome == Outcome::reserved));
  sale.won[to_string(seen->order)] = {"forgotten", "click"};
  for (const auto& [key, value] : kept)
    REQUIRE(redis.command({"RESTORE", key, "0", value, "REPLACE"}).type != Reply::Type::error);

  const auto fenced = reserve("nobody");
  REQUIRE(fenced);
  CHECK(fenced->outcome == Outcome::paused);
  CHECK(fenced->reason == PauseReason::fenced);
  CHECK(sale.sell({{"nobody", "click"}}) == "fenced");  // also for those who saw less
  recover_and_sell_the_rest(sale, 20);
  CHECK(reserve("stored0")->outcome == Outcome::already_reserved);
}

TEST_CASE("after FLUSHALL the sale is absent, and comes back from the database") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("stored", 40);
  persist(sale);
  sale.sell_to_crowd("forgotten", 20);
  redis.command({"FLUSHALL"});
  CHECK(sale.sell({{"nobody", "click"}}) == "absent");
  recover_and_sell_the_rest(sale, 20);
}

TEST_CASE("one deleted key fences the sale, and what the others still have is not lost") {
  std::size_t lost = 0;
  PrivateRedis redis;
  ServedSale sale(redis);
  const core::Keys keys(sale.id);
  sale.sell_to_crowd("stored", 20);
  persist(sale);
  sale.sell_to_crowd("survivors", 20);
  SUBCASE("meta") { redis.command({"DEL", keys.meta}); }
  SUBCASE("buyers") { redis.command({"DEL", keys.buyers}); }
  SUBCASE("journal") {
    redis.command({"DEL", keys.journal});
    lost = 20;
  }
  CHECK(sale.sell({{"nobody", "click"}}) == "fenced");
  recover_and_sell_the_rest(sale, lost);
}

TEST_CASE("deleted holds end all the same, and a deleted operation does not count again") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.hold_ms = 300;
  ServedSale sale(redis, terms);
  const core::Keys keys(sale.id);
  sale.sell_to_crowd("stored", 20);
  CHECK(sale.restock("more", 5) == "ok");
  SUBCASE("holds") { redis.command({"DEL", keys.holds}); }
  SUBCASE("operations") { redis.command({"DEL", keys.ops}); }
  persist(sale);  // the worker misses them and reconciles
  CHECK(sale.meta("epoch") == "2");
  CHECK(sale.restock("more", 5) == "same");
  CHECK(sale.meta("total:1") == "105");
  CHECK(eventually([&] {
    persist(sale);
    return sale.meta("booked:1") == "0";
  }));
  CHECK(sale.row().items[0].sold == 0);
}

TEST_CASE("two reconciles racing rebuild the sale once") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("stored", 20);
  persist(sale);
  sale.sell_to_crowd("surviving", 20);
  redis.command({"HSET", core::Keys(sale.id).meta, "hist", "0123"});
  int rebuilt = 0, failed = 0;
  const auto work = [&](bool& mine, bool& ok) {
    auto sink = open_sink(sale.db_url());
    engine::ReconcileWatch watch;
    ok = engine::reconcile(sale.pool, sink, sale.id, soon(), engine::Loss::refuse, &watch).has_value();
    mine = watch.rebuilt;
  };
  bool mine[2] = {false, false}, ok[2] = {false, false};
  std::thread first(work, std::ref(mine[0]), std::ref(ok[0]));
  std::thread second(work, std::ref(mine[1]), std::ref(ok[1]));
  first.join();
  second.join();
  for (int i = 0; i < 2; ++i) {
    rebuilt += mine[i] ? 1 : 0;
    failed += ok[i] ? 0 : 1;
  }
  CHECK(failed == 0);
  CHECK(rebuilt == 1);
  CHECK(sale.meta("epoch") == "2");
  recover_and_sell_the_rest(sale);
}

TEST_CASE("a paused or closed sale comes back as it was") {
  for (const std::string state : {"paused", "closed"}) {
    CAPTURE(state);
    PrivateRedis redis;
    ServedSale sale(redis);
    sale.sell_to_crowd("stored", 20);
    CHECK(sale.act(state == "paused" ? "pause" : "close") == "ok");
    persist(sale);
    redis.command({"FLUSHALL"});
    REQUIRE(engine::reconcile(sale.pool, sale.sink, sale.id, soon()));
    CHECK(sale.meta("state") == state);
    CHECK(sale.row().state == *sale_state(state));
    CHECK(sale.sell({{"nobody", "click"}, {"stored3", "click"}}) == (state == "paused" ? "pR" : "eR"));
  }
}
