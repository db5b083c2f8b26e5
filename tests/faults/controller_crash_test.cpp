// An operator's act killed at any of its named points is done by the same act asked for again, once.
#include <doctest/doctest.h>

#include <set>

#include "core/keyspace.hpp"
#include "faults/crash.hpp"
#include "flashsale/sale_controller.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/oversold.hpp"
#include "support/running_worker.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

End act(ServedSale& where, const std::string& sale, const std::string& what, const std::string& point = "") {
  return end_of("crash_controller", where, {sale, what}, point);
}

std::set<std::string> keys_of(PrivateRedis& redis, const std::string& sale) {
  std::set<std::string> keys;
  for (const Reply& key : redis.command({"KEYS", "fs:{" + sale + "}:*"}).elements) keys.insert(key.text);
  return keys;
}

SaleRow row_of(ServedSale& where, const std::string& sale) {
  auto transaction = where.sink->begin(OrderSink::Access::read, soon()).value();
  return transaction->lock_sale(SaleId{sale}).value().value();
}

std::size_t count_sales(ServedSale& where) {
  auto transaction = where.sink->begin(OrderSink::Access::read, soon()).value();
  return transaction->sales(/*with_retired=*/true).value().size();
}

/// Three units, to five buyers: each is sold once, and the database has it.
void sell_out(ServedSale& where, const std::string& sale) {
  SaleController sales(where.pool, where.sink);
  REQUIRE(sales.open(SaleId{sale}));
  StockGate gate(where.pool);
  int reserved = 0, sold_out = 0;
  for (const char* buyer : {"ann", "bob", "cid", "dan", "eve"}) {
    Call call{SaleId{sale}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}};
    call.timeout = milliseconds{30'000};
    const auto answer = gate.reserve(call);
    REQUIRE(answer);
    reserved += answer->outcome == Outcome::reserved;
    sold_out += answer->outcome == Outcome::sold_out;
  }
  CHECK(reserved == 3);
  CHECK(sold_out == 2);
  OrderWorker worker(where.pool, where.sink, {}, {sale});
  CHECK(worker.drain(soon()));
  CHECK(row_of(where, sale).items.at(0).sold == 3);
}

}  // namespace

TEST_CASE("a create killed anywhere is finished by the same create: one sale, with the units it was to have") {
  for (const char* point : {"create.row", "create.redis"}) {
    CAPTURE(point);
    PrivateRedis redis;
    ServedSale other(redis);  // its database has this sale too
    CHECK(act(other, "autumn", "create", point) == End::killed);
    const std::string uuid = row_of(other, "autumn").uuid;
    CHECK(row_of(other, "autumn").state == SaleState::creating);
    CHECK(act(other, "autumn", "create", point) == End::killed);
    for (int i = 0; i < 2; ++i) CHECK(act(other, "autumn", "create") == End::succeeded);
    CHECK(count_sales(other) == 2);
    CHECK(row_of(other, "autumn").state == SaleState::created);
    CHECK(row_of(other, "autumn").uuid == uuid);
    CHECK(redis.command({"HGET", core::Keys("autumn").meta, "uuid"}).text == uuid);
    sell_out(other, "autumn");
  }
}

TEST_CASE("a retire killed anywhere is finished by the same retire: no key is left, and every order is") {
  for (const std::string point : {"retire.fenced", "retire.row"}) {
    CAPTURE(point);
    PrivateRedis redis;
    ServedSale sale(redis);
    sale.sell_to_crowd("a", 20);
    CHECK(sale.act("close") == "ok");
    finish_with_a_healthy_worker(sale);
    const auto keys = keys_of(redis, sale.id);
    CHECK(keys.size() >= 3);
    CHECK(act(sale, sale.id, "retire", point) == End::killed);
    CHECK(sale.row().state == (point == "retire.row" ? SaleState::retired : SaleState::closed));
    CHECK(keys_of(redis, sale.id) == keys);
    CHECK(sale.sell({{"late", "click"}}) == "fenced");
    for (int i = 0; i < 2; ++i) CHECK(act(sale, sale.id, "retire") == End::succeeded);
    CHECK(keys_of(redis, sale.id).empty());
    CHECK(sale.row().state == SaleState::retired);
    CHECK(count_sales(sale) == 1);
    sale.check_database();
    CHECK(sale.orders().size() == 20);
  }
}

TEST_CASE("a decision about a dead order killed anywhere is made once, by the same decision or told by any worker") {
  for (const std::string decision : {"drop", "retry"})
    for (const std::string point : {"dead.before_commit", "dead.after_commit"})
      for (const bool by_worker : {false, true}) {
        const bool committed = point == "dead.after_commit";
        if (by_worker && !committed) continue;  // nothing was decided
        CAPTURE(decision);
        CAPTURE(point);
        CAPTURE(by_worker);
        const bool retry = decision == "retry";
        Oversold o;
        ServedSale& sale = o.sale;
        SaleController sales(sale.pool, sale.sink);
        if (retry) REQUIRE(sales.restock(SaleId{sale.id}, ItemId{"shoe"}, 1, OperationId{"found-one"}));
        CHECK(act(sale, sale.id, decision, point) == End::killed);
        const DeadFate fate = retry ? DeadFate::retried : DeadFate::dropped;
        CHECK(sale.dead().at(1).fate == (committed ? fate : DeadFate::dead));
        CHECK(sale.dead().at(1).told != committed);  // of its death, and not of what was decided
        CHECK(sale.orders().size() == (committed && retry ? 4 : 3));
        if (by_worker) {
          WorkerOptions often;
          often.watch_every = milliseconds{20};
          RunningWorker worker(sale.pool, sale.sink, often);
          CHECK(eventually([&] { return sale.dead().at(1).told; }, milliseconds{30'000}));
        }
        for (int i = 0; i < 2; ++i) {
          CHECK(act(sale, sale.id, decision) == End::succeeded);
          CHECK(sale.dead().at(1).told);
        }
        const auto other =
            retry ? sales.dead_drop(SaleId{sale.id}, o.dead_id(1)) : sales.dead_retry(SaleId{sale.id}, o.dead_id(1));
        REQUIRE_FALSE(other);
        CHECK(other.error().code == ErrorCode::conflict);
        CHECK(sale.dead().at(1).fate == fate);
        CHECK(sale.orders().size() == (retry ? 4 : 3));
        CHECK(sale.row().items.at(0).sold == (retry ? 4 : 3));
        CHECK(sale.meta("booked:1") == (retry ? "5" : "4"));
        CHECK(sale.sell({{"a3", "click"}, {"a4", "click"}}) == (retry ? "KR" : "KD"));
      }
}
