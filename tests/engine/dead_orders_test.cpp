// What the operator decides about orders that were set aside: kept in the database, told to Redis, harmless twice.
#include <doctest/doctest.h>

#include "core/keyspace.hpp"
#include "engine/reconcile.hpp"
#include "engine/settle.hpp"
#include "flashsale/sale_controller.hpp"
#include "support/oversold.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

/// The operator of a sale that was oversold.
struct Operated : Oversold {
  using Oversold::Oversold;
  ErrorCode code_of(const Result<Done>& result) { return result ? ErrorCode{} : result.error().code; }

  SaleController sales{sale.pool, sale.sink};
};

}  // namespace

TEST_SUITE("engine/dead_orders") {
  TEST_CASE("a dead order is retried once its cause is gone, and is reserved again, however often it is asked") {
    Operated o;
    const OrderId order = o.dead_id(0);
    const auto too_early = o.sales.dead_retry(SaleId{o.sale.id}, order);
    CHECK(o.code_of(too_early) == ErrorCode::conflict);
    CHECK(too_early.error().detail.find("OVERSOLD") != std::string::npos);
    CHECK(o.sale.sell({{"a3", "click"}}) == "K");
    REQUIRE(o.sales.restock(SaleId{o.sale.id}, ItemId{"shoe"}, 2, OperationId{"found-two"}));
    for (int i = 0; i < 2; ++i) CHECK(o.sales.dead_retry(SaleId{o.sale.id}, order));
    CHECK(o.sale.sell({{"a3", "click"}, {"a4", "click"}}) == "RK");
    CHECK(o.sale.orders().size() == 4);
    CHECK(o.sale.row().items[0].sold == 4);
    CHECK(o.sale.meta("booked:1") == "5");
    CHECK(o.sale.dead().at(0).fate == DeadFate::retried);
    CHECK(o.sale.dead().at(0).told);
    CHECK(o.code_of(o.sales.dead_drop(SaleId{o.sale.id}, order)) == ErrorCode::conflict);
  }

  TEST_CASE("an order set aside by a worker that died before it told Redis is told of before it is decided about") {
    Operated o;
    const OrderId order = o.dead_id(1);
    // As if settle had not run: Redis still has it as reserved, and the database knows that it was not told.
    const core::Keys keys(o.sale.id);
    std::string record = o.record("a4");
    record[record.rfind('k')] = 'r';
    o.redis.command({"HSET", keys.buyers, "a4", record});
    auto transaction = o.sale.sink->begin(OrderSink::Access::write, soon());
    DeadRow untold = o.sale.dead().at(1);
    REQUIRE((*transaction)->decide_dead(SaleId{o.sale.id}, untold));
    REQUIRE((*transaction)->commit());
    transaction->reset();
    REQUIRE_FALSE(o.sale.dead().at(1).told);
    CHECK(o.sale.sell({{"a4", "click"}}) == "R");

    CHECK(o.sales.dead_drop(SaleId{o.sale.id}, order));
    CHECK(o.sale.sell({{"a4", "click"}}) == "D");
    CHECK(o.sale.meta("booked:1") == "4");
    CHECK(o.sale.dead().at(1).told);
    o.sale.check_database();
  }

  TEST_CASE("a dropped order gives its units and its buyer's limit back once, and cannot be retried") {
    Operated o;
    const OrderId order = o.dead_id(1);
    for (int i = 0; i < 3; ++i) CHECK(o.sales.dead_drop(SaleId{o.sale.id}, order));
    CHECK(o.sale.meta("booked:1") == "4");
    CHECK(o.sale.sell({{"a4", "click"}}) == "D");
    CHECK(o.record("a4").find('=') == std::string::npos);
    CHECK(o.code_of(o.sales.dead_retry(SaleId{o.sale.id}, order)) == ErrorCode::conflict);
    CHECK(o.sales.dead_drop(SaleId{o.sale.id}, o.dead_id(0)));
    CHECK(o.sale.meta("booked:1") == "3");
    o.sale.check_database();
  }

  TEST_CASE("a unit that a drop frees is sold again, once the sale goes on") {
    Operated o;
    REQUIRE(o.sales.restock(SaleId{o.sale.id}, ItemId{"shoe"}, 1, OperationId{"one"}));
    REQUIRE(o.sales.resume(SaleId{o.sale.id}));
    CHECK(eventually([&] { return o.sale.sell({{"new", "click"}}) == "s"; }));
    CHECK(o.sales.dead_drop(SaleId{o.sale.id}, o.dead_id(0)));
    CHECK(o.sale.sell({{"new", "click"}}) == "s");
    CHECK(o.sales.dead_drop(SaleId{o.sale.id}, o.dead_id(1)));
    CHECK(eventually([&] { return o.sale.sell({{"new", "click"}}) == "a"; }));
    CHECK(o.sale.sell({{"newer", "click"}}) == "s");
  }

  TEST_CASE("in a sale with holds a retried order is held anew, and a dropped one not at all") {
    Operated o(3'600'000);
    const core::Keys keys(o.sale.id);
    CHECK(o.sale.meta("held") == "3");
    REQUIRE(o.sales.restock(SaleId{o.sale.id}, ItemId{"shoe"}, 1, OperationId{"one"}));
    CHECK(o.sales.dead_retry(SaleId{o.sale.id}, o.dead_id(0)));
    CHECK(o.sales.dead_drop(SaleId{o.sale.id}, o.dead_id(1)));
    CHECK(o.sale.meta("held") == "4");
    const std::string score = o.redis.command({"ZSCORE", keys.holds, to_string(o.dead_id(0).at) + " a3"}).text;
    CHECK(o.record("a3").substr(o.record("a3").rfind(' ') + 1) == score);
    CHECK(o.sale.orders().at(3).order.hold_until_ms == std::stoll(score));
  }

  TEST_CASE("what was decided outlives Redis: a rebuild brings retried orders, dropped and dead ones back as such") {
    Operated o;
    REQUIRE(o.sales.dead_drop(SaleId{o.sale.id}, o.dead_id(0)));
    o.redis.command({"FLUSHALL"});
    REQUIRE(engine::reconcile(o.sale.pool, o.sale.sink, o.sale.id, soon()));
    CHECK(o.sale.sell({{"a3", "click"}, {"a4", "click"}, {"a0", "click"}}) == "DKR");
    CHECK(o.sale.meta("booked:1") == "4");
    REQUIRE(o.sales.restock(SaleId{o.sale.id}, ItemId{"shoe"}, 1, OperationId{"one"}));
    REQUIRE(o.sales.dead_retry(SaleId{o.sale.id}, o.dead_id(1)));
    o.redis.command({"FLUSHALL"});
    REQUIRE(engine::reconcile(o.sale.pool, o.sale.sink, o.sale.id, soon()));
    CHECK(o.sale.sell({{"a3", "click"}, {"a4", "click"}}) == "DR");
    CHECK(o.sale.meta("booked:1") == "4");
  }

  TEST_CASE("an order decided about just as a worker tells of its death is told of the decision in the end") {
    Operated o;
    DeadRow stale = o.sale.dead().at(1);
    REQUIRE(o.sales.dead_drop(SaleId{o.sale.id}, stale.order.id));
    auto late = o.sale.sink->begin(OrderSink::Access::write, soon());
    REQUIRE(late);
    REQUIRE((*late)->mark_told(SaleId{o.sale.id}, &stale, 1));  // of its death
    REQUIRE((*late)->commit());
    late->reset();
    CHECK(!o.sale.dead().at(1).told);
    REQUIRE(engine::settle(*o.sale.pool, *o.sale.sink, o.sale.id, soon()));
    CHECK(o.sale.dead().at(1).told);
    CHECK(o.sale.sell({{"a4", "click"}}) == "D");
    CHECK(o.sale.meta("booked:1") == "4");
  }

  TEST_CASE("who is no dead order, or has no database, is told so") {
    Operated o;
    CHECK(o.code_of(o.sales.dead_retry(SaleId{o.sale.id}, {{1, 1}, 0})) == ErrorCode::not_found);
    CHECK(o.code_of(o.sales.dead_drop(SaleId{o.sale.id}, {{9, 9}, 9})) == ErrorCode::not_found);
    CHECK(o.code_of(o.sales.dead_drop(SaleId{"winter"}, {{1, 1}, 0})) == ErrorCode::not_found);
    SaleController blind(o.sale.pool);
    CHECK(o.code_of(blind.dead_drop(SaleId{o.sale.id}, o.dead_id(0))) == ErrorCode::unsupported);
    CHECK(!blind.dead(SaleId{o.sale.id}));
    CHECK(o.sales.dead(SaleId{o.sale.id})->size() == 2);
  }
}
