// Holds and returns end to end: the worker expires, commits, and only then are the units sold again; a crash at any
// point undersells until the next worker, and never oversells.
#include "engine/returns.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <thread>

#include "engine/journal_applier.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/forwarding_transaction.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

const SaleId kSale{"spring"};

ServedTerms with_holds(std::int64_t hold_ms, std::int64_t units) {
  ServedTerms terms;
  terms.items = {{"shoe", units, 2, 0}};
  terms.hold_ms = hold_ms;
  return terms;
}

struct Shop {
  explicit Shop(const ServedTerms& terms) : sale(redis, terms), gate(sale.pool) {}

  Outcome reserve(std::string_view buyer, std::string_view request, std::uint32_t quantity = 1) {
    return must(gate.reserve({kSale, ItemId{"shoe"}, BuyerId{buyer}, RequestId{request}, quantity}));
  }
  OrderKey order(std::string_view buyer, std::string_view request) {
    return {kSale, BuyerId{buyer}, RequestId{request}};
  }
  static Outcome must(const Result<Answer>& answer) {
    REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
    return answer->outcome;
  }
  void drain() {
    OrderWorker worker(sale.pool, sale.sink, {}, {sale.id});
    const auto drained = worker.drain(soon());
    REQUIRE_MESSAGE(drained, (drained ? std::string() : to_string(drained.error())));
  }
  std::size_t uncredited() {
    auto transaction = sale.sink->begin(OrderSink::Access::read, soon()).value();
    return transaction->uncredited(kSale, 100).value().size();
  }

  PrivateRedis redis;
  ServedSale sale;
  StockGate gate;
};

/// The sale's own database, whose worker dies between its commit and the credit.
class NeverCredits : public OrderSink {
 public:
  explicit NeverCredits(std::shared_ptr<OrderSink> inner) : inner_(std::move(inner)) {}
  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override {
    auto inner = inner_->begin(access, deadline);
    if (!inner) return inner;
    return std::make_unique<Blind>(std::move(*inner));
  }
  Result<std::string> id(Deadline deadline) override { return inner_->id(deadline); }
  std::string describe() const override { return inner_->describe(); }

 private:
  struct Blind : ForwardingTransaction {
    using ForwardingTransaction::ForwardingTransaction;
    Result<std::vector<OrderRow>> uncredited(SaleId, std::size_t) override {
      return fail(ErrorCode::disconnected, "died before the credit");
    }
  };
  const std::shared_ptr<OrderSink> inner_;
};

}  // namespace

TEST_SUITE("engine/returns") {
  TEST_CASE("released units are sold again when the database has the release, and not before") {
    Shop shop(with_holds(600'000, 2));
    CHECK(shop.reserve("ann", "r1", 2) == Outcome::reserved);
    CHECK(Shop::must(shop.gate.release(shop.order("ann", "r1"))) == Outcome::released);
    CHECK(shop.reserve("bob", "r1") == Outcome::sold_out);
    CHECK(shop.reserve("ann", "r2") == Outcome::limit_reached);
    shop.drain();
    CHECK(shop.uncredited() == 0);
    CHECK(shop.sale.meta("booked:1") == "0");
    CHECK(eventually([&] { return shop.reserve("ann", "r2", 1) == Outcome::reserved; }));
    CHECK(shop.reserve("bob", "r1") == Outcome::reserved);
    CHECK(shop.reserve("cid", "r1") == Outcome::sold_out);
    CHECK(Shop::must(shop.gate.resolve(shop.order("ann", "r1"))) == Outcome::already_released);
    shop.drain();
    CHECK(shop.sale.row().items[0].sold == 2);
  }

  TEST_CASE("a worker expires holds by itself, and what is sold again is sold once") {
    Shop shop(with_holds(150, 3));
    const RunningWorker worker(shop.sale.pool, shop.sale.sink);
    CHECK(shop.reserve("ann", "r1", 2) == Outcome::reserved);
    CHECK(shop.reserve("bob", "r1") == Outcome::reserved);
    CHECK(Shop::must(shop.gate.confirm(shop.order("bob", "r1"), {milliseconds{20'000}})) == Outcome::confirmed);
    CHECK(eventually([&] { return shop.sale.meta("booked:1") == "1"; }));
    CHECK(Shop::must(shop.gate.confirm(shop.order("ann", "r1"))) == Outcome::expired);
    CHECK(eventually([&] { return shop.reserve("cid", "r1", 2) == Outcome::reserved; }));
    CHECK(Shop::must(shop.gate.confirm(shop.order("cid", "r1"), {milliseconds{20'000}})) == Outcome::confirmed);
    CHECK(shop.reserve("ann", "r2") == Outcome::sold_out);
    CHECK(eventually([&] { return shop.sale.row().items[0].sold == 3; }));
  }

  TEST_CASE("a release that the database has and nobody credited is credited by the next worker that looks") {
    Shop shop(with_holds(600'000, 2));
    CHECK(shop.reserve("ann", "r1", 2) == Outcome::reserved);
    CHECK(Shop::must(shop.gate.release(shop.order("ann", "r1"))) == Outcome::released);
    engine::JournalApplier dying(shop.sale.pool, std::make_shared<NeverCredits>(shop.sale.sink), shop.sale.id);
    REQUIRE(!dying.step(soon()));
    CHECK(shop.sale.watermark_in_redis() == shop.sale.row().watermark);  // nothing is left to carry
    CHECK(shop.uncredited() == 1);
    CHECK(shop.sale.orders().at(0).state == OrderState::released);
    CHECK(shop.sale.meta("booked:1") == "2");
    CHECK(shop.reserve("bob", "r1") == Outcome::sold_out);
    SUBCASE("one that drains") { shop.drain(); }
    SUBCASE("one that runs") {
      const RunningWorker worker(shop.sale.pool, shop.sale.sink);
      CHECK(eventually([&] { return shop.uncredited() == 0; }));
    }
    CHECK(shop.uncredited() == 0);
    CHECK(shop.sale.meta("booked:1") == "0");
    CHECK(Shop::must(shop.gate.resolve(shop.order("ann", "r1"))) == Outcome::already_released);
    CHECK(eventually([&] { return shop.reserve("bob", "r1", 2) == Outcome::reserved; }));
    CHECK(engine::credit(*shop.sale.pool, *shop.sale.sink, "spring", soon()).value() == 0);
    CHECK(shop.sale.meta("booked:1") == "2");
  }

  TEST_CASE("crediting does nothing to a sale whose fence is closed; the reconcile frees the units instead") {
    Shop shop(with_holds(600'000, 2));
    CHECK(shop.reserve("ann", "r1", 2) == Outcome::reserved);
    CHECK(Shop::must(shop.gate.release(shop.order("ann", "r1"))) == Outcome::released);
    shop.redis.command({"HSET", "fs:{spring}:meta", "hist", "0123"});
    shop.drain();
    CHECK(shop.sale.meta("epoch") == "2");
    CHECK(shop.uncredited() == 0);
    CHECK(shop.sale.meta("booked:1") == "0");
    CHECK(eventually([&] { return shop.reserve("bob", "r1", 2) == Outcome::reserved; }));
    CHECK(shop.reserve("ann", "r1", 2) == Outcome::already_released);
    CHECK(shop.reserve("cid", "r1") == Outcome::sold_out);
  }

  TEST_CASE("a payload is stored byte for byte: no UTF-8, NULs, and 64 KiB of zeros") {
    Shop shop(with_holds(600'000, 10));
    GateOptions options;
    options.payload_bytes_max = kPayloadBytesMax;
    StockGate gate(shop.sale.pool, options);
    const std::vector<std::string> payloads{std::string("\xff\xfe\xc3(", 4), std::string("a\0b\0", 4),
                                            std::string(kPayloadBytesMax, '\0'), "\r\n 1-1.0 \n"};
    for (std::size_t i = 0; i < payloads.size(); ++i) {
      const std::string buyer = "b" + std::to_string(i);
      Call call{kSale, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"r"}};
      call.payload = payloads[i];
      call.timeout = milliseconds{20'000};
      CHECK(Shop::must(gate.reserve(call)) == Outcome::reserved);
    }
    shop.drain();
    auto transaction = shop.sale.sink->begin(OrderSink::Access::read, soon()).value();
    const auto rows = transaction->orders_by_buyer(kSale, "", 100).value();
    REQUIRE(rows.size() == payloads.size());
    for (std::size_t i = 0; i < rows.size(); ++i) CHECK(rows[i].order.payload == payloads[i]);
  }
}
