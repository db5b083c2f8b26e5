// A worker killed at any of its named points loses no order and doubles none: the next one finishes what it began.
#include <doctest/doctest.h>

#include "core/keyspace.hpp"
#include "faults/crash.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

/// The claim's holder is dead: nobody needs to wait until its silence shows.
void age_claim(ServedSale& sale) {
  sale.change_row([](SaleRow& row) { row.rec_beat_ms -= 60'000; });
}

}  // namespace

TEST_CASE("a worker killed anywhere between reading and settling loses and doubles nothing") {
  for (const char* point :
       {"worker.before_read", "worker.after_read", "worker.before_begin", "worker.after_insert", "worker.before_commit",
        "worker.after_commit", "worker.before_settle", "worker.after_settle"}) {
    CAPTURE(point);
    PrivateRedis redis;
    ServedSale sale(redis);
    sale.sell_to_crowd("early", 30);
    CHECK(is_worker_killed(sale, point));
    sale.sell_to_crowd("late", 30);
    CHECK(is_worker_killed(sale, point));
    finish_with_a_healthy_worker(sale);
    sale.check_database();
    CHECK(sale.orders().size() == 60);
  }
}

TEST_CASE("a worker killed around telling of a dead order leaves it told once") {
  for (const char* point :
       {"worker.after_commit", "worker.before_settle", "worker.after_settle", "worker.after_told"}) {
    CAPTURE(point);
    PrivateRedis redis;
    ServedTerms terms;
    terms.items = {{"shoe", 4, 5, 0}};
    ServedSale sale(redis, terms);
    redis.command({"HSET", core::Keys(sale.id).meta, "total:1", "5"});
    sale.sell_to_crowd("a", 5);
    CHECK(is_worker_killed(sale, point));
    finish_with_a_healthy_worker(sale);
    CHECK(sale.orders().size() == 4);
    REQUIRE(sale.dead().size() == 1);
    CHECK(sale.meta("state") == "paused");
    CHECK(sale.sell({{"a3", "click"}, {"a4", "click"}}) == "RK");
  }
}

namespace {

OrderKey order_of(const std::string& buyer) { return {SaleId{"spring"}, BuyerId{buyer}, RequestId{"click"}}; }

std::size_t uncredited(ServedSale& sale) {
  auto transaction = sale.sink->begin(OrderSink::Access::read, soon()).value();
  return transaction->uncredited(SaleId{sale.id}, 100).value().size();
}

/// Four units, all sold to a0..a3; two of them came back and are sold once more, not three times.
void check_two_came_back(ServedSale& sale) {
  CHECK(uncredited(sale) == 0);
  CHECK(sale.meta("booked:1") == "2");
  CHECK(sale.row().items[0].sold == 2);
  CHECK(eventually([&] { return sale.sell({{"late0", "click"}}) == "a"; }));
  CHECK(sale.sell({{"late1", "click"}, {"late2", "click"}}) == "as");
  finish_with_a_healthy_worker(sale);
  CHECK(sale.row().items[0].sold == 4);
}

}  // namespace

TEST_CASE("a worker killed anywhere around a release undersells until the next one, and frees the units once") {
  for (const char* point : {"worker.before_read", "worker.after_insert", "worker.before_commit", "worker.after_commit",
                            "worker.before_settle", "worker.after_settle", "worker.before_credit",
                            "worker.after_credit", "worker.after_credited"}) {
    CAPTURE(point);
    PrivateRedis redis;
    ServedTerms terms;
    terms.items = {{"shoe", 4, 5, 0}};
    terms.hold_ms = 600'000;
    ServedSale sale(redis, terms);
    sale.sell_to_crowd("a", 4);
    StockGate gate(sale.pool);
    for (const char* buyer : {"a1", "a3"}) {
      const auto released = gate.release(order_of(buyer));
      REQUIRE(released);
      CHECK(released->outcome == Outcome::released);
    }
    CHECK(is_worker_killed(sale, point));
    CHECK(std::stoi(sale.meta("booked:1")) >= 2);
    finish_with_a_healthy_worker(sale);
    check_two_came_back(sale);
  }
}

TEST_CASE("a worker killed around a sweep expires each hold once") {
  for (const char* point : {"worker.before_sweep", "worker.after_sweep", "worker.before_commit", "worker.after_commit",
                            "worker.before_credit", "worker.after_credit", "worker.after_credited"}) {
    CAPTURE(point);
    PrivateRedis redis;
    ServedTerms terms;
    terms.items = {{"shoe", 4, 5, 0}};
    terms.hold_ms = 400;
    ServedSale sale(redis, terms);
    sale.sell_to_crowd("a", 4);
    StockGate gate(sale.pool);
    for (const char* buyer : {"a0", "a2"}) REQUIRE(gate.confirm(order_of(buyer), {{}, Level::primary}));
    CHECK(eventually([&] {
      const auto looked = gate.resolve(order_of("a1"));
      return looked && looked->outcome == Outcome::expired;
    }));
    CHECK(is_worker_killed(sale, point));
    finish_with_a_healthy_worker(sale);
    finish_with_a_healthy_worker(sale);  // whatever the first one swept is carried and freed
    CHECK(uncredited(sale) == 0);
    CHECK(sale.meta("booked:1") == "2");
    CHECK(sale.row().items[0].sold == 2);
    CHECK(redis.command({"ZCARD", core::Keys(sale.id).holds}).integer == 1);  // the guard
    for (const char* buyer : {"a1", "a3"}) CHECK(gate.resolve(order_of(buyer))->outcome == Outcome::expired);
  }
}

TEST_CASE("a reconcile killed anywhere is finished by the next, with every order that survived or was sold since") {
  for (const char* point :
       {"reconcile.after_claim", "reconcile.after_close", "reconcile.after_drain", "reconcile.after_clear",
        "reconcile.in_rebuild", "reconcile.after_rebuild", "reconcile.after_reopen", "reconcile.after_finish"}) {
    CAPTURE(point);
    PrivateRedis redis;
    ServedSale sale(redis);
    sale.sell_to_crowd("stored", 20);
    finish_with_a_healthy_worker(sale);
    sale.sell_to_crowd("surviving", 20);
    redis.command({"HSET", core::Keys(sale.id).meta, "hist", "0123"});
    CHECK(sale.sell({{"nobody", "click"}}) == "fenced");
    CHECK(is_worker_killed(sale, point));
    // Once reopened it sells, whether or not the one who reopened it lives.
    const bool reopened = sale.meta("rec").empty() && sale.meta("hist").size() == 40;
    if (reopened)
      CHECK(eventually([&] { return sale.sell({{"between", "click"}}) == "a"; }));
    else
      CHECK(sale.sell({{"nobody", "click"}}) == "fenced");
    age_claim(sale);
    finish_with_a_healthy_worker(sale);
    sale.check_database();
    CHECK(eventually([&] { return sale.sell({{"after", "click"}}) == "a"; }));
    sale.sell_to_crowd("rest", 100 - sale.won.size());
    CHECK(sale.sell({{"too late", "click"}}) == "i");
    CHECK(sale.sell({{"late", "click"}}) == "s");
    finish_with_a_healthy_worker(sale);
    sale.check_database();
    CHECK(sale.row().items[0].sold == 100);
  }
}

TEST_CASE("a reconcile killed anywhere around receipts brings each order back once") {
  for (const char* point : {"reconcile.after_claim", "reconcile.after_drain", "reconcile.in_receipts",
                            "reconcile.after_receipts", "reconcile.after_rebuild", "reconcile.after_reopen"}) {
    CAPTURE(point);
    PrivateRedis redis;
    ServedSale sale(redis);
    StockGate gate(sale.pool, sale.sink, {milliseconds{20'000}});
    for (int i = 0; i < 20; ++i) {
      const std::string buyer = "b" + std::to_string(i);
      const auto answer = gate.reserve({SaleId{sale.id}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}});
      REQUIRE(answer);
      sale.won[to_string(answer->order)] = {buyer, "click"};
    }
    CHECK(eventually([&] {
      auto transaction = sale.sink->begin(OrderSink::Access::read, soon()).value();
      return !transaction->receipt_holders(SaleId{sale.id}).value().empty();
    }));
    redis.command({"FLUSHALL"});
    const Call late{SaleId{sale.id}, ItemId{"shoe"}, BuyerId{"late"}, RequestId{"click"}};
    CHECK(gate.reserve(late)->outcome == Outcome::paused);  // from here on it looks at the database often
    CHECK(is_worker_killed(sale, point));
    age_claim(sale);
    finish_with_a_healthy_worker(sale);
    sale.check_database();
    CHECK(sale.meta("booked:1") == "20");
  }
}
