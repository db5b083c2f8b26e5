// An audit names each difference between Redis and the database with its units and orders, and repairs only by what the
// database proves.
#include <doctest/doctest.h>

#include "core/keyspace.hpp"
#include "engine/journal_applier.hpp"
#include "engine/reconcile.hpp"
#include "flashsale/sale_controller.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

struct Audited {
  Audited() : sale(redis), keys(sale.id), sales(sale.pool, sale.sink) { sale.sell_to_crowd("a", 20); }

  AuditReport audit(bool repair = false) {
    auto report = sales.audit(SaleId{sale.id}, repair, soon());
    REQUIRE_MESSAGE(report, (report ? std::string() : to_string(report.error())));
    return *report;
  }
  void set_record(const std::string& buyer, const std::string& record) {
    redis.command({"HSET", keys.buyers, buyer, record});
  }
  std::vector<RepairRow> repairs() { return sales.repairs(SaleId{sale.id}).value(); }
  std::size_t place_of(const std::string& buyer) {
    const auto orders = sale.orders();
    std::size_t place = 0;
    while (place < orders.size() && orders[place].order.buyer != buyer) ++place;
    return place;
  }
  std::string record(const std::string& buyer) { return sale.hash(keys.buyers)[buyer]; }

  PrivateRedis redis;
  ServedSale sale;
  core::Keys keys;
  SaleController sales;
};

}  // namespace

TEST_SUITE("engine/audit") {
  TEST_CASE("a sale in order is sound, also with orders on their way, and an audit changes nothing") {
    Audited a;
    const AuditReport report = a.audit(/*repair=*/true);
    CHECK(report.is_sound());
    CHECK(!report.repaired);
    CHECK(report.items[0].available == 80);
    CHECK(report.items[0].held == 20);
    CHECK(report.at == a.sale.row().watermark);
    CHECK(a.sale.meta("epoch") == "1");
    a.sale.check_database();
  }

  TEST_CASE("units that Redis lost count of are OVERSOLD, by their orders") {
    Audited a;
    REQUIRE(a.audit().is_sound());
    a.redis.command({"HDEL", a.keys.buyers, "a3"});
    a.redis.command({"HINCRBY", a.keys.meta, "booked:1", "-1"});
    const AuditReport report = a.audit();
    CHECK(report.items[0].difference() == 1);
    REQUIRE(report.orders.size() == 1);
    CHECK(report.orders[0].buyer == "a3");
    CHECK(report.orders[0].difference == 1);
    CHECK(!report.is_sound());
  }

  TEST_CASE("units that Redis keeps for an order that nobody has are LEAKED, by that order") {
    Audited a;
    REQUIRE(a.audit().is_sound());
    a.set_record("ghost", "1 1=2\nclick 1 2 5 1-1 r");
    a.redis.command({"HINCRBY", a.keys.meta, "booked:1", "2"});
    const AuditReport report = a.audit();
    CHECK(report.items[0].difference() == -2);
    REQUIRE(report.orders.size() == 1);
    CHECK(report.orders[0].buyer == "ghost");
    CHECK(report.orders[0].item == "shoe");
    CHECK(report.orders[0].difference == -2);
  }

  TEST_CASE("an order whose state differs is named, though its units are all right") {
    Audited a;
    REQUIRE(a.audit().is_sound());
    std::string record = a.record("a7");
    record.back() = 'c';
    a.set_record("a7", record);
    const AuditReport report = a.audit();
    CHECK(report.items[0].difference() == 0);
    REQUIRE(report.orders.size() == 1);
    CHECK(report.orders[0].difference == 0);
    CHECK(report.orders[0].why.find("reserved") != std::string::npos);
    CHECK(!report.is_sound());
  }

  TEST_CASE("a repair makes Redis what the database has, once, and the rest of the stock is sold exactly") {
    Audited a;
    REQUIRE(a.audit().is_sound());
    a.redis.command({"HDEL", a.keys.buyers, "a3"});
    a.set_record("ghost", "1 1=2\nclick 1 2 5 1-1 r");
    a.redis.command({"HSET", a.keys.meta, "booked:1", "3"});
    const AuditReport report = a.audit(/*repair=*/true);
    CHECK(report.repaired);
    CHECK(report.is_sound());
    CHECK(a.sale.sell({{"a3", "click"}}) == "R");
    CHECK(!a.audit(/*repair=*/true).repaired);
    CHECK(a.sale.meta("epoch") == "2");
    a.sale.sell_to_crowd("rest", 80);
    CHECK(a.sale.sell({{"late", "click"}}) == "s");
    CHECK(a.audit().is_sound());
    a.sale.check_database();
  }

  TEST_CASE(
      "a repair is recorded: who, when, which units and orders; one of a sound sale changes and records nothing") {
    Audited a;
    REQUIRE(a.audit().is_sound());
    CHECK(a.repairs().empty());
    a.redis.command({"HDEL", a.keys.buyers, "a3"});
    a.set_record(std::string("gh\xff\0st", 6), "1 1=2\nclick 1 2 5 1-1 r");
    a.redis.command({"HINCRBY", a.keys.meta, "booked:1", "1"});
    a.audit();
    CHECK(a.repairs().empty());  // it only looked
    SaleController ops(a.sale.pool, a.sale.sink, {milliseconds{5000}, "ops@shop"});
    REQUIRE(ops.audit(SaleId{a.sale.id}, true, soon())->repaired);

    const auto rows = a.repairs();
    REQUIRE(rows.size() == 3);
    for (const RepairRow& row : rows) {
      CHECK(row.repair == rows[0].repair);
      CHECK(row.by == "ops@shop");
      CHECK(row.at_ms > 1'600'000'000'000);
      CHECK(row.item == "shoe");
      CHECK(row.done_epoch == 2);
    }
    CHECK(!rows[0].order);
    CHECK(rows[0].difference == -1);
    CHECK(rows[1].buyer == "a3");
    CHECK(rows[1].request == "click");
    CHECK(rows[1].difference == 1);
    CHECK(to_string(rows[1].order) == to_string(a.sale.orders().at(a.place_of("a3")).order.id));
    CHECK(rows[2].buyer == std::string("gh\xff\0st", 6));
    CHECK(rows[2].difference == -2);
    CHECK(!rows[2].why.empty());

    const SaleRow before = a.sale.row();
    const auto meta = a.sale.hash(a.keys.meta);
    CHECK(!a.audit(/*repair=*/true).repaired);
    CHECK(a.repairs().size() == 3);
    CHECK(a.sale.row().fence_epoch == before.fence_epoch);
    CHECK(a.sale.row().watermark == before.watermark);
    CHECK(a.sale.hash(a.keys.meta) == meta);
  }

  TEST_CASE("a repair that somebody's rebuild made needless changes nothing and records nothing") {
    Audited a;
    REQUIRE(a.audit().is_sound());
    std::vector<RepairRow> found(1);
    found[0].repair = "late";
    engine::ReconcileWatch watch;
    watch.repair = &found;
    watch.audited = a.sale.row().fence_epoch - 1;
    REQUIRE(engine::reconcile(a.sale.pool, a.sale.sink, a.sale.id, soon(), engine::Loss::refuse, &watch));
    CHECK(!watch.rebuilt);
    CHECK(a.repairs().empty());
    CHECK(a.sale.row().fence_epoch == 1);
  }

  TEST_CASE("a repair that was cut off stands as begun, and is done once anybody's reconcile has finished") {
    Audited a;
    REQUIRE(a.audit().is_sound());
    a.redis.command({"HDEL", a.keys.buyers, "a3"});
    util::StopSource stopped;
    stopped.request();
    std::vector<RepairRow> found(1);
    found[0].repair = "cut off";
    engine::ReconcileWatch watch;
    watch.stop = &stopped;
    watch.repair = &found;
    watch.audited = 1;
    CHECK(!engine::reconcile(a.sale.pool, a.sale.sink, a.sale.id, soon(), engine::Loss::refuse, &watch));
    REQUIRE(a.repairs().size() == 1);
    CHECK(a.repairs()[0].done_epoch == 0);
    CHECK(a.repairs()[0].at_ms > 1'600'000'000'000);
    REQUIRE(engine::reconcile(a.sale.pool, a.sale.sink, a.sale.id, soon()));
    REQUIRE(a.repairs().size() == 1);
    CHECK(a.repairs()[0].done_epoch == a.sale.row().fence_epoch);
    CHECK(a.audit().is_sound());
    CHECK(a.sale.sell({{"a3", "click"}}) == "R");
  }

  TEST_CASE("who repairs is a name of an id's bytes") {
    Audited a;
    SaleController odd(a.sale.pool, a.sale.sink, {milliseconds{5000}, "two words"});
    const auto refused = odd.audit(SaleId{a.sale.id}, true, soon());
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::invalid_argument);
    CHECK(refused.error().detail.find("by") != std::string::npos);
    SaleController blind(a.sale.pool);
    CHECK(blind.repairs(SaleId{a.sale.id}).error().code == ErrorCode::unsupported);
    CHECK(a.sales.repairs(SaleId{"winter"}).error().code == ErrorCode::not_found);
  }

  TEST_CASE("orders that were set aside are part of the sum, until they are dropped") {
    Audited a;
    a.sale.change_row([](SaleRow& row) { row.items[0].limit = 1; });
    CHECK(a.sale.sell({{"ann", "one"}, {"ann", "two"}}) == "aa");
    AuditReport report = a.audit();
    CHECK(report.is_sound());
    CHECK(report.items[0].dead == 1);
    CHECK(report.items[0].held == 21);
    REQUIRE(a.sales.dead_drop(SaleId{a.sale.id}, a.sale.dead().at(0).order.id));
    report = a.audit();
    CHECK(report.is_sound());
    CHECK(report.items[0].dead == 0);
    CHECK(report.items[0].available == 79);
  }

  TEST_CASE("a sale that Redis lost, or that has no database, is not audited, by name") {
    Audited a;
    REQUIRE(a.audit().is_sound());
    a.redis.command({"FLUSHALL"});
    CHECK(a.sales.audit(SaleId{a.sale.id}, true, soon()).error().code == ErrorCode::lost);
    SaleController blind(a.sale.pool);
    CHECK(!blind.audit(SaleId{a.sale.id}, false, soon()));
    CHECK(!a.sales.audit(SaleId{"winter"}, false, soon()));
  }
}
