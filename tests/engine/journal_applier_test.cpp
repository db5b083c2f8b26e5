// The applier: an order is in the database exactly once, and what proves that something is wrong stops it.
#include "engine/journal_applier.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "core/keyspace.hpp"
#include "support/forwarding_transaction.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;
using engine::JournalApplier;

namespace {

/// Steps until all is applied, or the error.
Result<Done> apply_all(JournalApplier& applier) {
  for (;;) {
    auto progress = applier.step(soon());
    if (!progress) return tl::unexpected<Error>(progress.error());
    if (progress->caught_up) return {};
  }
}

Result<Done> apply_all(ServedSale& sale) {
  JournalApplier applier(sale.pool, sale.sink, sale.id);
  return apply_all(applier);
}

/// Replaces an entry's header by one with another link: the journal is written anew, since no id comes back that was
/// deleted from a stream.
void forge_link(ServedSale& sale, const std::string& forged) {
  const std::string journal = core::Keys(sale.id).journal;
  const Reply entries = sale.redis().command({"XRANGE", journal, "-", "+"});
  sale.redis().command({"DEL", journal});
  for (const Reply& entry : entries.elements) {
    const std::string& id = entry.elements[0].text;
    std::vector<std::string> fields;
    for (const Reply& field : entry.elements[1].elements) fields.push_back(field.text);
    if (id == forged) fields[1] = "1 reserve feedfeedfeedfeed badbadbadbadbad0 1 0";
    Command command{"XADD", journal, id};
    command.insert(command.end(), fields.begin(), fields.end());
    REQUIRE(sale.redis().command(command).text == id);
  }
}

/// A sink whose transactions find some orders' bytes impossible to store.
class PickySink : public OrderSink {
 public:
  PickySink(std::shared_ptr<OrderSink> inner, std::string buyer) : inner_(std::move(inner)), buyer_(std::move(buyer)) {}
  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override;
  Result<std::string> id(Deadline deadline) override { return inner_->id(deadline); }
  std::string describe() const override { return inner_->describe(); }

 private:
  std::shared_ptr<OrderSink> inner_;
  std::string buyer_;
};

class PickyTransaction : public ForwardingTransaction {
 public:
  PickyTransaction(std::unique_ptr<SinkTransaction> inner, std::string buyer)
      : ForwardingTransaction(std::move(inner)), buyer_(std::move(buyer)) {}
  Result<std::vector<Insert>> insert_orders(SaleId sale, const Order* orders, std::size_t count) override {
    std::vector<Insert> verdicts;
    for (std::size_t i = 0; i < count; ++i) {
      if (orders[i].buyer == buyer_) {
        verdicts.push_back(Insert::poison);
        continue;
      }
      auto one = inner_->insert_orders(sale, orders + i, 1);
      if (!one) return one;
      verdicts.push_back(one->front());
    }
    return verdicts;
  }

 private:
  std::string buyer_;
};

Result<std::unique_ptr<SinkTransaction>> PickySink::begin(Access access, Deadline deadline) {
  auto inner = inner_->begin(access, deadline);
  if (!inner) return inner;
  return std::unique_ptr<SinkTransaction>(std::make_unique<PickyTransaction>(std::move(*inner), buyer_));
}

}  // namespace

TEST_CASE("the journal's orders and acts end in the database, and the journal is trimmed to its watermark") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 20);
  CHECK(sale.restock("more", 50) == "ok");
  CHECK(sale.act("schedule", "", "99999999999999") == "ok");
  sale.sell_to_crowd("b", 20);
  CHECK(sale.act("pause") == "ok");
  REQUIRE(apply_all(sale));
  sale.check_database();
  const SaleRow row = sale.row();
  CHECK(row.state == SaleState::paused);
  CHECK(row.items[0].total == 150);
  CHECK(row.closes_ms == 99999999999999);
  CHECK(row.watermark == Position{1, 9});
  CHECK(row.link == sale.meta("link"));
  CHECK(sale.watermark_in_redis() == Position{1, 9});
  CHECK(redis.command({"XLEN", core::Keys(sale.id).journal}).integer == 1);
}

TEST_CASE("two appliers racing put every order into the database exactly once") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"shoe", 5000, 5, 0}};
  ServedSale sale(redis, terms);
  sale.sell_to_crowd("early", 600);
  std::atomic<bool> sold_all{false};
  std::atomic<int> errors{0};
  const auto work = [&] {
    auto sink = open_sink(sale.db_url());
    JournalApplier applier(sale.pool, sink, sale.id, 20);
    for (;;) {
      const bool last_round = sold_all;
      auto progress = applier.step(soon());
      if (!progress) {
        ++errors;
        return;
      }
      if (progress->caught_up && last_round) return;
    }
  };
  std::thread first(work), second(work);
  sale.sell_to_crowd("late", 600);
  sold_all = true;
  first.join();
  second.join();
  CHECK(errors == 0);
  sale.check_database();
  CHECK(sale.row().state == SaleState::open);
  CHECK(sale.watermark_in_redis() == sale.row().watermark);
}

TEST_CASE("a gap stops the applier at the gap; what is before it is kept, nothing behind it is applied") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 10, 1);
  redis.command({"XDEL", core::Keys(sale.id).journal, "1-6"});
  const auto applied = apply_all(sale);
  REQUIRE(!applied);
  CHECK(applied.error().code == ErrorCode::conflict);
  CHECK(applied.error().detail.find("gap") != std::string::npos);
  CHECK(sale.row().watermark == Position{1, 5});
  sale.check_database(5);
}

TEST_CASE("a journal that ends before the sale's position is a gap too") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 3, 1);
  redis.command({"XDEL", core::Keys(sale.id).journal, "1-3"});
  const auto applied = apply_all(sale);
  REQUIRE(!applied);
  CHECK(applied.error().code == ErrorCode::conflict);
  CHECK(sale.row().watermark == Position{1, 2});
}

TEST_CASE("an entry linked to another past than the database's stops the applier") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 1);
  forge_link(sale, "1-1");
  const auto applied = apply_all(sale);
  REQUIRE(!applied);
  CHECK(applied.error().code == ErrorCode::conflict);
  CHECK(applied.error().detail.find("forked") != std::string::npos);
  CHECK(sale.orders().empty());
}

TEST_CASE("another order in an order's place is a fork: nothing of that transaction stays") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 6, 1);
  {
    Order other{{{1, 4}, 0}, "stranger", "shoe", 1, "click", ""};
    auto transaction = sale.sink->begin(OrderSink::Access::write, soon());
    REQUIRE((*transaction)->insert_orders(SaleId{sale.id}, &other, 1)->front() == Insert::inserted);
    REQUIRE((*transaction)->commit());
  }
  const auto applied = apply_all(sale);
  REQUIRE(!applied);
  CHECK(applied.error().code == ErrorCode::conflict);
  CHECK(sale.row().watermark == Position{1, 0});
  CHECK(sale.orders().size() == 1);
}

TEST_CASE("a worker with another database is refused, and its database is named") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 3);
  auto other = open_sink(sale.other_database());
  {
    auto transaction = other->begin(OrderSink::Access::write, soon());
    REQUIRE((*transaction)->put_sale(sale.row()));
    REQUIRE((*transaction)->commit());
  }
  JournalApplier applier(sale.pool, other, sale.id);
  const auto progress = applier.step(soon());
  REQUIRE(!progress);
  CHECK(progress.error().code == ErrorCode::conflict);
  CHECK(progress.error().detail.find(other->describe()) != std::string::npos);
  CHECK(sale.watermark_in_redis() == Position{1, 0});
}

TEST_CASE("a database that went back is refused, by its watermark or by its epoch") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const SaleRow backup = sale.row();
  sale.sell_to_crowd("a", 14);
  REQUIRE(apply_all(sale));
  SUBCASE("watermark") {
    sale.change_row([&](SaleRow& row) { row.watermark = backup.watermark; });
  }
  SUBCASE("epoch") {
    sale.change_row([&](SaleRow& row) { row.fence_epoch = 0; });
  }
  sale.sell_to_crowd("b", 7);
  JournalApplier applier(sale.pool, sale.sink, sale.id);
  const auto progress = applier.step(soon());
  REQUIRE(!progress);
  CHECK(progress.error().code == ErrorCode::conflict);
  CHECK(progress.error().detail.find("went back") != std::string::npos);
  CHECK(!applier.needs_reconcile());
}

TEST_CASE("an order beyond the stock is set aside, told to its buyer, and the sale pauses") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"shoe", 3, 5, 0}};
  ServedSale sale(redis, terms);
  redis.command({"HSET", core::Keys(sale.id).meta, "total:1", "5"});  // Redis is made to believe in two more
  sale.sell_to_crowd("a", 5, 2);
  REQUIRE(apply_all(sale));
  const auto dead = sale.dead();
  REQUIRE(dead.size() == 2);
  CHECK(dead[0].reason == "OVERSOLD");
  CHECK(dead[0].told);
  CHECK(sale.orders().size() == 3);
  CHECK(sale.row().state == SaleState::paused);
  CHECK(sale.meta("state") == "paused");
  CHECK(sale.sell({{"late", "click"}}) == "p");
  CHECK(sale.sell({{"a4", "click"}}) == "K");
  CHECK(sale.sell({{"a0", "click"}}) == "R");
}

TEST_CASE("a pause that a dying worker owed is made up for while orders keep coming") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 3);
  REQUIRE(apply_all(sale));
  sale.change_row([](SaleRow& row) { row.state = SaleState::paused; });  // and there it died
  sale.sell_to_crowd("b", 3);
  JournalApplier applier(sale.pool, sale.sink, sale.id);
  const auto progress = applier.step(soon());
  REQUIRE(progress);
  CHECK(progress->entries == 1);
  CHECK(sale.meta("state") == "paused");
}

TEST_CASE("a sale that its operator resumed is not paused again by who has read the journal only up to there") {
  PrivateRedis redis;
  ServedSale sale(redis);
  CHECK(sale.act("pause") == "ok");
  REQUIRE(apply_all(sale));
  for (int i = 0; i < 40; ++i) CHECK(sale.restock("more" + std::to_string(i), 1) == "ok");
  CHECK(sale.act("resume") == "ok");
  JournalApplier applier(sale.pool, sale.sink, sale.id);
  const auto progress = applier.step(soon());
  REQUIRE(progress);
  REQUIRE(progress->behind > 0);
  CHECK(sale.row().state == SaleState::paused);
  CHECK(sale.meta("state") == "open");
  REQUIRE(apply_all(applier));
  CHECK(sale.row().state == SaleState::open);
  CHECK(sale.meta("state") == "open");
}

TEST_CASE("an order beyond a buyer's limit is set aside and the sale pauses") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.change_row([](SaleRow& row) { row.items[0].limit = 1; });
  CHECK(sale.sell({{"ann", "one"}, {"ann", "two"}, {"bob", "one"}}) == "aaa");
  REQUIRE(apply_all(sale));
  REQUIRE(sale.dead().size() == 1);
  CHECK(sale.dead()[0].reason == "OVER_LIMIT");
  CHECK(sale.dead()[0].order.request == "two");
  CHECK(sale.meta("state") == "paused");
  CHECK(sale.sell({{"ann", "one"}, {"ann", "two"}}) == "RK");
}

TEST_CASE("poison is set aside with its reason, the rest goes on and the sale stays open") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 20);
  JournalApplier applier(sale.pool, std::make_shared<PickySink>(sale.sink, "a5"), sale.id);
  REQUIRE(apply_all(applier));
  REQUIRE(sale.dead().size() == 1);
  CHECK(sale.dead()[0].order.buyer == "a5");
  CHECK(sale.dead()[0].order.payload == "payload");
  CHECK(sale.dead()[0].reason.find("POISON") == 0);
  sale.check_database();
  CHECK(sale.row().state == SaleState::open);
  CHECK(sale.sell({{"a5", "click"}, {"new", "click"}}) == "Ka");
  CHECK(applier.totals().orders == 19);
  CHECK(applier.totals().dead == 1);
}

TEST_CASE("more dead orders than one settling call takes are all told before the watermark") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"shoe", 0, 5, 0}};
  ServedSale sale(redis, terms);
  redis.command({"HSET", core::Keys(sale.id).meta, "total:1", "700"});
  sale.sell_to_crowd("a", 700, 100);
  REQUIRE(apply_all(sale));
  for (const DeadRow& row : sale.dead()) CHECK(row.told);
  CHECK(sale.dead().size() == 700);
  std::size_t marked = 0;
  for (const auto& [buyer, record] : sale.hash(core::Keys(sale.id).buyers)) marked += record.back() == 'k' ? 1 : 0;
  CHECK(marked == 700);
}

TEST_CASE("settling never lowers the watermark") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 7);
  REQUIRE(apply_all(sale));
  redis.command({"HSET", core::Keys(sale.id).meta, "watermark", "1-5000"});
  JournalApplier applier(sale.pool, sale.sink, sale.id);
  CHECK(!applier.step(soon()));
  CHECK(sale.watermark_in_redis() == Position{1, 5000});
}

TEST_CASE("what only a reconcile can go on from is told apart from what waiting heals") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const core::Keys keys(sale.id);
  sale.sell_to_crowd("a", 7);
  JournalApplier applier(sale.pool, sale.sink, sale.id);
  REQUIRE(apply_all(applier));
  CHECK(!applier.needs_reconcile());
  SUBCASE("another history") { redis.command({"HSET", keys.meta, "hist", "0123"}); }
  SUBCASE("a closed gate") { redis.command({"HSET", keys.meta, "rec", "1 somebody"}); }
  SUBCASE("meta is gone") { redis.command({"DEL", keys.meta}); }
  SUBCASE("buyers are gone") { redis.command({"DEL", keys.buyers}); }
  SUBCASE("the journal is gone") { redis.command({"DEL", keys.journal}); }
  SUBCASE("everything is gone") { redis.command({"FLUSHALL"}); }
  SUBCASE("Redis has less than the database") { redis.command({"HSET", keys.meta, "seq", "0", "watermark", "1-0"}); }
  SUBCASE("the claim of a dead reconcile") {
    sale.change_row([](SaleRow& row) { row.rec_uuid = "dead"; });
  }
  const auto progress = applier.step(soon());
  REQUIRE(!progress);
  CHECK(progress.error().code == ErrorCode::refused);
  CHECK(progress.error().detail.find("reconcile") != std::string::npos);
  CHECK(applier.needs_reconcile());
}

TEST_CASE("a sale whose create is unfinished, or that is retired, is left in peace") {
  PrivateRedis redis;
  ServedSale sale(redis);
  redis.command({"FLUSHALL"});
  JournalApplier applier(sale.pool, sale.sink, sale.id);
  for (const SaleState state : {SaleState::creating, SaleState::retired}) {
    sale.change_row([&](SaleRow& row) { row.state = state; });
    const auto progress = applier.step(soon());
    REQUIRE(progress);
    CHECK(progress->caught_up);
  }
}

TEST_CASE("apply_until returns once the database has the position") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 70);
  REQUIRE(engine::apply_until(sale.pool, sale.sink, sale.id, {1, 10}, soon()));
  CHECK(sale.row().watermark >= Position{1, 10});
  const auto never =
      engine::apply_until(sale.pool, sale.sink, sale.id, {1, 11}, Deadline::clock::now() + milliseconds{50});
  REQUIRE(!never);
  CHECK(never.error().code == ErrorCode::timed_out);
}
