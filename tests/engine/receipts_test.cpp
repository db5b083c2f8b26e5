// Receipts: what a gate with a sink told its callers comes back when Redis loses it before a worker has carried it.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <utility>

#include "core/keyspace.hpp"
#include "engine/journal_applier.hpp"
#include "engine/receipt_keeper.hpp"
#include "engine/reconcile.hpp"
#include "flashsale/log.hpp"
#include "flashsale/metrics.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/forwarding_transaction.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

/// The process's log while this lives.
class HeardLog {
 public:
  HeardLog() {
    set_log([this](LogLevel, std::string_view line) {
      const std::lock_guard<std::mutex> lock(mutex_);
      text_.append(line).append("\n");
    });
  }
  ~HeardLog() { set_log({}); }
  bool has(std::string_view words) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return text_.find(words) != std::string::npos;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

/// A database that one gate cannot reach at times.
class CutSink : public OrderSink {
 public:
  explicit CutSink(std::shared_ptr<OrderSink> inner) : inner_(std::move(inner)) {}
  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override {
    if (is_cut) return fail(ErrorCode::disconnected, "cut off");
    return inner_->begin(access, deadline);
  }
  Result<std::string> id(Deadline deadline) override { return inner_->id(deadline); }
  std::string describe() const override { return inner_->describe(); }

  std::atomic<bool> is_cut{false};

 private:
  const std::shared_ptr<OrderSink> inner_;
};

/// A database in which something happens just before a transaction that writes begins.
class InterruptedSink : public CutSink {
 public:
  InterruptedSink(std::shared_ptr<OrderSink> inner, std::function<void()> happen)
      : CutSink(std::move(inner)), happen_(std::move(happen)) {}
  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override {
    if (access == Access::write && happen_) std::exchange(happen_, nullptr)();
    return CutSink::begin(access, deadline);
  }

 private:
  std::function<void()> happen_;
};

/// A database that commits the end of a reconcile, whose answer is lost.
class UnheardSink : public CutSink {
 public:
  using CutSink::CutSink;
  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override {
    auto inner = CutSink::begin(access, deadline);
    if (!inner) return inner;
    return std::make_unique<Ending>(std::move(*inner));
  }

 private:
  struct Ending : ForwardingTransaction {
    using ForwardingTransaction::ForwardingTransaction;
    Result<std::size_t> drop_receipts(SaleId sale, Position until) override {
      ends_ = true;
      return inner_->drop_receipts(sale, until);
    }
    Result<Done> commit() override {
      auto done = inner_->commit();
      if (done && ends_) return fail(ErrorCode::disconnected, "no answer came", Effect::unknown);
      return done;
    }
    bool ends_ = false;
  };
};

/// What a batch that ended at `at` told one buyer.
void tell(engine::ReceiptKeeper& keeper, const ServedSale& sale, const char* buyer, Position at) {
  engine::Request request;
  request.fill({SaleId{sale.id}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}}, Level::primary, soon());
  Answer answer;
  answer.outcome = Outcome::reserved;
  answer.order = {at, 0};
  engine::ReceiptBlock block(at);
  block.add(request, answer);
  keeper.put(sale.id, "u-" + sale.id, std::move(block));
}

GateOptions patient() {
  GateOptions options;
  options.timeout = milliseconds{20'000};
  return options;
}

std::vector<ReceiptHolder> holders(ServedSale& sale) {
  auto transaction = sale.sink->begin(OrderSink::Access::read, soon()).value();
  return transaction->receipt_holders(SaleId{sale.id}).value();
}

std::size_t receipts_in_database(ServedSale& sale) {
  auto transaction = sale.sink->begin(OrderSink::Access::read, soon()).value();
  return transaction->receipts(SaleId{sale.id}, Verb::reserve, {}, 1'000'000).value().size();
}

void declare(ServedSale& sale, const std::string& holder, std::int64_t silent_ms) {
  auto transaction = sale.sink->begin(OrderSink::Access::write, soon()).value();
  const auto now = transaction->now_ms().value();
  REQUIRE(transaction->put_receipt_holder(SaleId{sale.id}, {holder, now - silent_ms, 0}));
  REQUIRE(transaction->commit());
}

/// A sale, a gate with its database, and no worker: what Redis loses only the gate can tell.
struct Told {
  explicit Told(ServedTerms terms = {}, GateOptions options = patient())
      : sale(redis, std::move(terms)), gate(std::in_place, sale.pool, sale.sink, options) {}

  Call call(const std::string& buyer, std::uint32_t quantity = 1) const {
    Call call{SaleId{sale.id}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}, quantity, "size 42"};
    call.level = Level::primary;
    return call;
  }
  OrderKey key(const std::string& buyer) const { return {SaleId{sale.id}, BuyerId{buyer}, RequestId{"click"}}; }

  Answer reserve(const std::string& buyer, std::uint32_t quantity = 1) {
    const auto answer = gate->reserve(call(buyer, quantity));
    REQUIRE(answer);
    REQUIRE(answer->outcome == Outcome::reserved);
    sale.won[to_string(answer->order)] = {buyer, "click", 1, quantity};
    return *answer;
  }
  void reserve_crowd(int count) {
    for (int i = 0; i < count; ++i) names.push_back(fmt::format("b{}", i)), reserve(names.back());
  }
  void await_declared() {
    REQUIRE(eventually([&] { return !holders(sale).empty(); }));
  }
  void persist() {
    engine::JournalApplier applier(sale.pool, sale.sink, sale.id);
    for (bool done = false; !done;) {
      auto progress = applier.step(soon());
      REQUIRE(progress);
      done = progress->caught_up;
    }
  }
  void lose_redis() { redis.command({"FLUSHALL"}); }
  /// With a grace that a slow machine keeps too.
  void reconcile(milliseconds receipt_grace = std::chrono::seconds(20)) {
    engine::ReconcileWatch watch;
    watch.receipt_grace = receipt_grace;
    const auto done = engine::reconcile(sale.pool, sale.sink, sale.id, soon(), engine::Loss::refuse, &watch);
    REQUIRE_MESSAGE(done, (done ? std::string() : to_string(done.error())));
  }
  OrderRow row(const std::string& buyer) {
    auto transaction = sale.sink->begin(OrderSink::Access::read, soon()).value();
    const auto found = transaction->find_order(SaleId{sale.id}, BuyerId{buyer}, RequestId{"click"}).value();
    REQUIRE(found.has_value());
    return *found;
  }

  PrivateRedis redis;
  ServedSale sale;
  std::optional<StockGate> gate;
  std::vector<std::string> names;
};

}  // namespace

TEST_CASE("orders told to buyers and lost by Redis before the worker saw them come back by their receipts") {
  ServedTerms terms;
  terms.hold_ms = 3'600'000;
  Told told(terms);
  const auto before = metrics();
  const Answer early = told.reserve("early", 2);
  told.persist();
  const Answer ann = told.reserve("ann", 3);
  told.reserve_crowd(40);
  told.await_declared();
  told.lose_redis();
  told.reconcile();

  told.sale.check_database();
  CHECK(told.sale.orders().size() == 42);
  const OrderRow row = told.row("ann");
  CHECK(row.order.id == ann.order);
  CHECK(row.order.quantity == 3);
  CHECK(row.order.payload == "size 42");
  CHECK(row.order.hold_until_ms == ann.hold_until_ms);
  CHECK(row.state == OrderState::reserved);
  CHECK(told.sale.meta("booked:1") == "45");
  const auto again = told.gate->reserve(told.call("ann", 3));
  REQUIRE(again);
  CHECK(again->outcome == Outcome::already_reserved);
  CHECK(again->order == ann.order);
  CHECK(again->hold_until_ms == ann.hold_until_ms);
  CHECK(told.gate->reserve(told.call("early", 2))->order == early.order);
  CHECK(metrics().receipts_saved - before.receipts_saved == 41);
  CHECK(metrics().receipts_lost == before.receipts_lost);
  CHECK(receipts_in_database(told.sale) == 0);
}

TEST_CASE("a receipt whose order survived changes nothing") {
  Told told;
  const auto before = metrics();
  told.reserve_crowd(10);
  told.persist();
  for (const char* buyer : {"ann", "bob"}) told.reserve(buyer);
  told.await_declared();
  told.redis.command({"HSET", core::Keys(told.sale.id).meta, "hist", "0123"});
  told.reconcile();
  told.sale.check_database();
  CHECK(told.sale.orders().size() == 12);
  CHECK(told.sale.meta("booked:1") == "12");
  CHECK(metrics().receipts_saved == before.receipts_saved);
  CHECK(metrics().receipts_lost == before.receipts_lost);
  CHECK(receipts_in_database(told.sale) == 0);
}

TEST_CASE("a receipt of a released order does not come back as one that holds units, a confirmed one stays confirmed") {
  ServedTerms terms;
  terms.hold_ms = 3'600'000;
  Told told(terms);
  told.reserve("old");
  told.persist();
  for (const char* buyer : {"kept", "gone", "paid"}) told.reserve(buyer);
  const CallOptions at_primary{milliseconds{0}, Level::primary};
  for (const char* buyer : {"gone", "old"})
    CHECK(told.gate->release(told.key(buyer), at_primary)->outcome == Outcome::released);
  CHECK(told.gate->confirm(told.key("paid"), at_primary)->outcome == Outcome::confirmed);
  told.await_declared();
  told.lose_redis();
  told.reconcile();
  CHECK(told.row("kept").state == OrderState::reserved);
  CHECK(told.row("gone").state == OrderState::released);
  CHECK(told.row("old").state == OrderState::released);
  CHECK(told.row("paid").state == OrderState::confirmed);
  CHECK(told.sale.row().items[0].sold == 2);
  CHECK(told.sale.meta("booked:1") == "2");
  CHECK(told.gate->reserve(told.call("gone"))->outcome == Outcome::already_released);
  CHECK(told.gate->confirm(told.key("paid"), at_primary)->outcome == Outcome::already_confirmed);
}

TEST_CASE("a gate that died does not hold up a reconcile beyond its grace, nor at all once it is silent") {
  Told told;
  told.gate.reset();
  for (const std::int64_t silent_ms : {std::int64_t{60'000}, std::int64_t{-2'900}}) {  // or about to be heard of
    CAPTURE(silent_ms);
    HeardLog log;
    declare(told.sale, "dead", silent_ms);
    told.lose_redis();
    told.reconcile(milliseconds{300});
    CHECK(log.has("not every gate handed in") == (silent_ms < 0));
  }
}

TEST_CASE("a database that no gate holds receipts in is not waited for") {
  Told told;
  HeardLog log;
  told.sale.sell_to_crowd("a", 5);
  told.lose_redis();
  told.reconcile();
  CHECK(told.sale.orders().empty());
  CHECK_FALSE(log.has("not every gate"));
  CHECK_FALSE(log.has("receipts"));
}

TEST_CASE("a full ring drops its oldest receipts and counts them") {
  GateOptions options = patient();
  options.receipts_max = 10;
  Told told({}, options);
  const auto before = metrics();
  told.reserve_crowd(25);
  told.await_declared();
  CHECK(metrics().receipts_dropped - before.receipts_dropped == 15);
  told.lose_redis();
  told.reconcile();
  told.sale.check_database(/*lost=*/15);
  for (int i = 15; i < 25; ++i) told.row(told.names[static_cast<std::size_t>(i)]);
}

TEST_CASE("without a sink, or at level `database`, there are no receipts") {
  PrivateRedis redis;
  ServedSale sale(redis);
  Call call{SaleId{sale.id}, ItemId{"shoe"}, BuyerId{"ann"}, RequestId{"click"}};
  {
    StockGate plain(sale.pool, patient());
    REQUIRE(plain.reserve(call));
    StockGate gate(sale.pool, sale.sink, patient());
    call.buyer = BuyerId{"bob"};
    call.level = Level::database;
    call.timeout = milliseconds{2'000};  // what a slow machine needs for one batch
    const auto pending = gate.reserve(call);
    REQUIRE(pending);
    CHECK(pending->outcome == Outcome::pending);
  }
  CHECK(holders(sale).empty());
  CHECK(receipts_in_database(sale) == 0);
}

TEST_CASE("what does not fit any more is named as lost and not forced") {
  Told told;
  HeardLog log;
  const auto before = metrics();
  told.reserve_crowd(8);
  told.await_declared();
  told.sale.change_row([](SaleRow& row) { row.items[0].total = 5; });
  told.lose_redis();
  told.reconcile();
  told.sale.check_database(/*lost=*/3);
  CHECK(told.sale.dead().empty());
  CHECK(metrics().receipts_saved - before.receipts_saved == 5);
  CHECK(metrics().receipts_lost - before.receipts_lost == 3);
  CHECK(log.has("told to callers and lost: reserve of 1-6.0 (OVERSOLD), reserve of 1-7.0 (OVERSOLD)"));
}

TEST_CASE("a reconcile that does not hear of its last commit has named what is lost") {
  Told told;
  HeardLog log;
  const auto before = metrics();
  told.reserve("ann");
  told.await_declared();
  told.sale.change_row([](SaleRow& row) { row.items[0].total = 0; });
  told.lose_redis();
  engine::ReconcileWatch watch;
  watch.receipt_grace = std::chrono::seconds(20);
  const auto unheard = std::make_shared<UnheardSink>(told.sale.sink);
  const auto done = engine::reconcile(told.sale.pool, unheard, told.sale.id, soon(), engine::Loss::refuse, &watch);
  REQUIRE_FALSE(done);
  CHECK(done.error().effect == Effect::unknown);
  CHECK(told.sale.row().rec_uuid.empty());
  CHECK(receipts_in_database(told.sale) == 0);
  CHECK(metrics().receipts_lost - before.receipts_lost == 1);
  CHECK(log.has("told to callers and lost: reserve of 1-1.0 (OVERSOLD)"));
}

TEST_CASE("a receipt of an order that was set aside does not revive it") {
  Told told;
  const auto before = metrics();
  told.sale.change_row([](SaleRow& row) { row.items[0].total = 1; });
  told.reserve("ann");
  told.reserve("bob");
  told.gate.reset();  // its receipts are in the database before the journal's entries are
  CHECK(receipts_in_database(told.sale) == 2);
  told.persist();
  REQUIRE(told.sale.dead().size() == 1);
  told.sale.change_row([](SaleRow& row) { row.items[0].total = 100; });
  told.lose_redis();
  told.reconcile();
  told.sale.check_database();
  CHECK(told.sale.orders().size() == 1);
  CHECK(StockGate(told.sale.pool, patient()).resolve(told.key("bob"))->outcome == Outcome::dead);
  CHECK(metrics().receipts_saved == before.receipts_saved);
  CHECK(metrics().receipts_lost == before.receipts_lost);
}

TEST_CASE("what is handed in after the sale went on stays lost, and is named") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const auto cut = std::make_shared<CutSink>(sale.sink);
  engine::ReconcileWatch watch;
  watch.receipt_grace = milliseconds{300};
  HeardLog log;
  const auto before = metrics();
  StockGate gate(sale.pool, cut, patient());
  const Call call{SaleId{sale.id}, ItemId{"shoe"}, BuyerId{"ann"}, RequestId{"click"}};
  REQUIRE(gate.reserve(call)->outcome == Outcome::reserved);
  REQUIRE(eventually([&] { return !holders(sale).empty(); }));
  cut->is_cut = true;
  redis.command({"FLUSHALL"});
  REQUIRE(engine::reconcile(sale.pool, sale.sink, sale.id, soon(), engine::Loss::refuse, &watch));
  CHECK(sale.orders().empty());
  cut->is_cut = false;
  CHECK(eventually([&] { return metrics().receipts_lost - before.receipts_lost == 1; }));
  CHECK(log.has("told to callers and lost: reserve of 1-1.0 (the sale went on without it)"));
  redis.command({"HSET", core::Keys(sale.id).meta, "hist", "0123"});
  REQUIRE(engine::reconcile(sale.pool, sale.sink, sale.id, soon()));
  CHECK(sale.orders().empty());
  CHECK(eventually([&] {  // not_started until the reopened sale's probe time is over
    const auto answer = gate.reserve(call);
    return answer && answer->outcome == Outcome::reserved;
  }));
}

TEST_CASE("receipts of an epoch under which the sale was reopened since come too late") {
  Told told;
  told.gate.reset();
  const auto hand_in = [&](const char* buyer, Position at) {
    Receipt receipt{Verb::reserve, at, {{at, 0}, buyer, "shoe", 1, "click", "size 42"}};
    auto transaction = told.sale.sink->begin(OrderSink::Access::write, soon()).value();
    REQUIRE(transaction->put_receipts(SaleId{told.sale.id}, &receipt, 1));
    REQUIRE(transaction->commit());
  };
  const auto before = metrics();
  told.sale.change_row([](SaleRow& row) { row.fence_epoch = 2; });  // reopened under 2, and cut off before saying so
  hand_in("old", {1, 7});
  hand_in("new", {2, 3});
  told.lose_redis();
  told.reconcile();
  told.row("new");
  CHECK(told.sale.orders().size() == 1);
  CHECK(metrics().receipts_saved - before.receipts_saved == 1);
  CHECK(metrics().receipts_lost - before.receipts_lost == 1);
  CHECK(receipts_in_database(told.sale) == 0);
}

TEST_CASE("a gate that is closed leaves its receipts in the database, and nobody waits for it") {
  Told told;
  HeardLog log;
  told.reserve_crowd(5);
  told.await_declared();
  told.gate.reset();
  CHECK(holders(told.sale).empty());
  CHECK(receipts_in_database(told.sale) == 5);
  told.lose_redis();
  told.reconcile();
  told.sale.check_database();
  CHECK_FALSE(log.has("not every gate"));
}

TEST_CASE("a gate that is closed names what it told under an epoch that was over, as lost") {
  PrivateRedis redis;
  ServedSale sale(redis);
  HeardLog log;
  const auto before = metrics();
  engine::ReceiptKeeper keeper(sale.sink, 100);
  tell(keeper, sale, "ann", {1, 7});
  REQUIRE(eventually([&] { return !holders(sale).empty(); }));
  // Its next look is a second away, and it is closed before.
  sale.change_row([](SaleRow& row) { row.fence_epoch = 2, row.watermark = {2, 0}; });
  keeper.stop();
  CHECK(metrics().receipts_lost - before.receipts_lost == 1);
  CHECK(log.has("told to callers and lost: reserve of 1-7.0 (the sale went on without it)"));
  CHECK(receipts_in_database(sale) == 0);
}

TEST_CASE("what was told under an epoch that ends while it is handed in is handed in all the same") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.change_row([](SaleRow& row) { row.fence_epoch = 3, row.rec_uuid = "somebody", row.watermark = {1, 5}; });
  // The reconcile finds that one before it, which was cut off, had reopened the sale under epoch 2.
  const auto sink = std::make_shared<InterruptedSink>(sale.sink, [&] {
    sale.change_row([](SaleRow& row) { row.watermark = {2, 9}; });
  });
  engine::ReceiptKeeper keeper(sink, 100);
  tell(keeper, sale, "ann", {1, 8});
  REQUIRE(eventually([&] { return !holders(sale).empty(); }));
  CHECK(receipts_in_database(sale) == 1);
}

TEST_CASE("receipts go when the database has their orders") {
  Told told;
  told.reserve_crowd(5);
  told.await_declared();
  told.persist();
  // The next look forgets them: a gate closed after that has nothing to leave, and one closed before it filters.
  told.gate.reset();
  CHECK(receipts_in_database(told.sale) == 0);
  CHECK(holders(told.sale).empty());
}

TEST_CASE("what the database has is forgotten, and makes no room be missed") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const auto before = metrics();
  engine::ReceiptKeeper keeper(sale.sink, 3);
  tell(keeper, sale, "ann", {1, 1});
  tell(keeper, sale, "bob", {1, 2});
  CHECK(keeper.count() == 2);
  sale.change_row([](SaleRow& row) { row.watermark = {1, 1}; });
  CHECK(eventually([&] { return keeper.count() == 1; }));
  tell(keeper, sale, "cid", {1, 3});
  tell(keeper, sale, "dan", {1, 4});
  CHECK(metrics().receipts_dropped == before.receipts_dropped);
  tell(keeper, sale, "eve", {1, 5});
  CHECK(metrics().receipts_dropped - before.receipts_dropped == 1);
  keeper.stop();
  CHECK(receipts_in_database(sale) == 3);
}

TEST_CASE("a gate with the wrong database keeps no receipts and says so") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const auto other = open_sink(sale.other_database());
  HeardLog log;
  StockGate gate(sale.pool, other, patient());
  REQUIRE(gate.reserve({SaleId{sale.id}, ItemId{"shoe"}, BuyerId{"ann"}, RequestId{"click"}}));
  CHECK(eventually([&] { return log.has("does not have it, so this gate keeps no receipts"); }));
}
