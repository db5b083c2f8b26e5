// Reconcile: Redis is again what the database says, under a new epoch, whoever else runs at the same time.
#include "engine/reconcile.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "core/keyspace.hpp"
#include "core/scripts.hpp"
#include "engine/journal_applier.hpp"
#include "flashsale/redis.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

void persist(ServedSale& sale) {
  engine::JournalApplier applier(sale.pool, sale.sink, sale.id);
  for (;;) {
    auto progress = applier.step(soon());
    REQUIRE(progress);
    if (progress->caught_up) return;
  }
}

Result<Done> reconcile(ServedSale& sale, engine::Loss loss = engine::Loss::refuse) {
  return engine::reconcile(sale.pool, sale.sink, sale.id, soon(), loss);
}

void break_history(ServedSale& sale) { sale.redis().command({"HSET", core::Keys(sale.id).meta, "hist", "0123"}); }

/// Somebody else reconciles it, whose last beat was so long from now by the database's clock.
void claim_for_another(ServedSale& sale, std::int64_t beat_in_ms) {
  const auto now_ms = sale.sink->begin(OrderSink::Access::read, soon()).value()->now_ms().value();
  sale.change_row([&](SaleRow& row) { row.rec_uuid = "other", row.rec_beat_ms = now_ms + beat_in_ms; });
}

void move_order(ServedSale& sale, OrderState to, const Order& order) {
  auto transaction = sale.sink->begin(OrderSink::Access::write, soon());
  REQUIRE((*transaction)->move_orders(SaleId{sale.id}, to, &order, 1)->front());
  REQUIRE((*transaction)->commit());
}

Reply run(ServedSale& sale, std::string_view script, const std::vector<std::string>& keys,
          const std::vector<std::string>& arguments) {
  const std::string count = std::to_string(keys.size());
  Command command{"EVAL", core::script(script).text, count};
  command.insert(command.end(), keys.begin(), keys.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return sale.redis().command(command);
}

/// The primary that was agreed on at first was killed and is back, empty, when it is used; from the next question on
/// it is its promoted replica.
class FailedOver : public ConnectionPool {
 public:
  FailedOver(const PrivateRedis& empty, const PrivateRedis& promoted)
      : empty_(make_pool(empty.url()).value()), promoted_(make_pool(promoted.url()).value()) {}

  Result<Lease> acquire(Role role, std::uint16_t slot, Deadline deadline) override {
    return (questions_ < 2 ? empty_ : promoted_)->acquire(role, slot, deadline);
  }
  Result<Done> confirm_primary(std::uint16_t, Deadline) override {
    ++questions_;
    return Done{};
  }
  void report(Connection*, Heard, std::string_view) override {}
  void give_back(Connection*) override {}

 private:
  const std::shared_ptr<ConnectionPool> empty_, promoted_;
  std::atomic<int> questions_{0};
};

}  // namespace

TEST_CASE("a reconcile that began at a killed primary, back and empty, ends at its promoted replica, with all it has") {
  PrivateRedis first(std::vector<std::string>{"--repl-diskless-sync-delay", "0"}, Tcp::yes);
  PrivateRedis second(std::vector<std::string>{"--repl-diskless-sync-delay", "0"}, Tcp::yes);
  second.replica_of(first);
  ServedSale sale(first);
  sale.sell_to_crowd("c", 20);
  persist(sale);
  sale.sell_to_crowd("d", 20);
  REQUIRE(eventually([&] {
    return second.command({"HGET", core::Keys(sale.id).meta, "seq"}).text == sale.meta("seq");
  }));
  first.kill_now();
  first.start();
  second.command({"REPLICAOF", "NO", "ONE"});
  const auto pool = std::make_shared<FailedOver>(first, second);
  REQUIRE(engine::reconcile(pool, sale.sink, sale.id, soon(), engine::Loss::refuse));
  sale.move_to(second);
  CHECK(sale.meta("epoch") == std::to_string(sale.row().watermark.epoch));
  sale.check_database();
}

TEST_CASE("a rebuilt sale is, record by record, the one that was lost") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"shoe", 100, 5, 0}, {"sock", 100, 9, 0}};
  ServedSale sale(redis, terms);
  const core::Keys keys(sale.id);
  CHECK(sale.sell({{"ann", "one", 2, 3}, {"bob", "one", 1, 2}, {"ann", "two", 1, 1}}) == "aaa");
  CHECK(sale.sell({{"ann", "three", 2, 4}}) == "a");
  CHECK(sale.restock("more", 25) == "ok");
  sale.sell_to_crowd("c", 40);
  persist(sale);
  auto buyers = sale.hash(keys.buyers);
  auto meta = sale.hash(keys.meta);
  const auto operations = sale.hash(keys.ops);
  redis.command({"FLUSHALL"});
  REQUIRE(reconcile(sale));

  buyers["#"] = "2";
  CHECK(sale.hash(keys.buyers) == buyers);
  CHECK(sale.hash(keys.ops) == operations);
  auto rebuilt = sale.hash(keys.meta);
  for (const char* field : {"epoch", "seq", "link", "watermark", "reopen_ms", "last_ms", "hist", "sold_seq:1",
                            "sold_seq:2", "reopen_ms:1", "reopen_ms:2"}) {
    CHECK(rebuilt.count(field) == 1);
    rebuilt.erase(field);
    meta.erase(field);
  }
  CHECK(rebuilt == meta);
  CHECK(sale.meta("epoch") == "2");
  CHECK(sale.watermark_in_redis() == Position{2, 0});
  CHECK(sale.row().watermark == Position{2, 0});
  CHECK(sale.row().link == sale.meta("link"));
  CHECK(sale.row().rec_uuid.empty());
  CHECK(sale.restock("more", 25) == "same");
  CHECK(eventually([&] { return sale.sell({{"new", "click"}}) == "a"; }));
  persist(sale);
  sale.check_database();
}

TEST_CASE("a buyer whose orders lie far apart in the database comes back with all of them") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"shoe", 9'000, 5, 0}, {"sock", 100, 9, 0}};
  ServedSale sale(redis, terms);
  const core::Keys keys(sale.id);
  CHECK(sale.sell({{"ann", "one", 1, 2}, {"bob", "one", 2, 3}, {"cid", "one", 1, 1}}) == "aaa");
  sale.sell_to_crowd("c", 6'000, 500);  // more than a page of them
  CHECK(sale.sell({{"ann", "two", 2, 1}, {"bob", "two", 2, 2}, {"ann", "three", 1, 3}, {"cid", "two", 1, 1}}) ==
        "aaaa");
  persist(sale);
  auto buyers = sale.hash(keys.buyers);
  CHECK(buyers["ann"].substr(0, buyers["ann"].find('\n')) == "3 1=5 2=1");
  redis.command({"FLUSHALL"});
  REQUIRE(reconcile(sale));
  buyers["#"] = "2";
  CHECK(sale.hash(keys.buyers) == buyers);
  CHECK(sale.meta("booked:1") == "6007");
}

TEST_CASE("what survived in Redis and was not in the database yet is drained first") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 20);
  persist(sale);
  sale.sell_to_crowd("b", 20);
  CHECK(sale.act("pause") == "ok");
  CHECK(sale.restock("more", 25) == "ok");
  break_history(sale);
  REQUIRE(reconcile(sale));
  sale.check_database();
  CHECK(sale.row().state == SaleState::paused);
  CHECK(sale.meta("state") == "paused");
  CHECK(sale.meta("total:1") == "125");
  CHECK(sale.meta("booked:1") == "40");
}

TEST_CASE("nothing to do is success and changes nothing") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 3);
  REQUIRE(reconcile(sale));
  REQUIRE(reconcile(sale, engine::Loss::accept));
  CHECK(sale.row().fence_epoch == 1);
  CHECK(sale.meta("epoch") == "1");
}

TEST_CASE("returned orders come back as returned for good, their units free and credited") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"shoe", 3, 1, 0}};
  ServedSale sale(redis, terms);
  sale.sell_to_crowd("a", 3);
  persist(sale);
  const auto orders = sale.orders();
  move_order(sale, OrderState::released, orders[0].order);
  move_order(sale, OrderState::expired, orders[1].order);
  move_order(sale, OrderState::confirmed, orders[2].order);
  redis.command({"FLUSHALL"});
  REQUIRE(reconcile(sale));
  CHECK(sale.meta("booked:1") == "1");
  CHECK(sale.sell({{"a0", "click"}, {"a1", "click"}, {"a2", "click"}}) == "DEC");
  CHECK(eventually([&] { return sale.sell({{"a0", "again"}}) == "a"; }));
  CHECK(sale.sell({{"a2", "again"}}) == "l");
  auto transaction = sale.sink->begin(OrderSink::Access::read, soon());
  CHECK((*transaction)->uncredited(SaleId{sale.id}, 10)->empty());
}

TEST_CASE("holds come back with a full hold time, in the record and in the sweeper's set") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.hold_ms = 3'600'000;
  ServedSale sale(redis, terms);
  const core::Keys keys(sale.id);
  sale.sell_to_crowd("a", 5);
  persist(sale);
  move_order(sale, OrderState::confirmed, sale.orders()[4].order);
  redis.command({"FLUSHALL"});
  REQUIRE(reconcile(sale));
  CHECK(redis.command({"ZCARD", keys.holds}).integer == 1 + 1);  // one for the entry, and the guard
  CHECK(sale.meta("held") == "4");
  const std::string record = sale.hash(keys.buyers)["a0"];
  const std::string score = redis.command({"ZSCORE", keys.holds, "1-1 a0 a1 a2 a3"}).text;
  CHECK(record.substr(record.rfind(' ') + 1) == score);
  CHECK(std::stoll(score) > std::stoll(sale.meta("last_ms")) + 3'500'000);
}

TEST_CASE("dead orders come back as dead, with their units still taken") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"shoe", 5, 5, 0}};
  ServedSale sale(redis, terms);
  sale.change_row([](SaleRow& row) { row.items[0].limit = 1; });
  redis.command({"HSET", core::Keys(sale.id).meta, "total:1", "6"});
  CHECK(sale.sell({{"ann", "one"}, {"ann", "two"}, {"b", "x"}, {"c", "x"}, {"d", "x"}, {"e", "x"}}) == "aaaaaa");
  CHECK(sale.sell({{"f", "x"}}) == "s");
  persist(sale);
  CHECK(sale.dead().size() == 1);  // ann's second; the database has room for the five others
  redis.command({"FLUSHALL"});
  REQUIRE(reconcile(sale));
  CHECK(sale.sell({{"ann", "one"}, {"ann", "two"}, {"e", "x"}}) == "RKR");
  CHECK(sale.meta("booked:1") == "6");
  CHECK(sale.meta("state") == "paused");
}

TEST_CASE("a database that went back is refused however often it is asked, and only accepted loss goes on") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 20);
  const SaleRow backup = sale.row();
  persist(sale);
  sale.change_row([&](SaleRow& row) { row.watermark = backup.watermark, row.link = backup.link; });
  break_history(sale);
  for (int i = 0; i < 3; ++i) {
    const auto refused = reconcile(sale);
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::conflict);
  }
  CHECK(sale.row().fence_epoch == 1);
  CHECK(sale.meta("rec").empty());
  REQUIRE(reconcile(sale, engine::Loss::accept));
  CHECK(sale.row().fence_epoch == 2);
  CHECK(sale.meta("booked:1") == "20");
  CHECK(eventually([&] { return sale.sell({{"new", "click"}}) == "a"; }));
}

TEST_CASE("accepted loss opens an epoch above every one that Redis knows") {
  PrivateRedis redis;
  ServedSale sale(redis);
  for (int i = 0; i < 3; ++i) {
    break_history(sale);
    REQUIRE(reconcile(sale));
  }
  CHECK(sale.meta("epoch") == "4");
  sale.change_row([](SaleRow& row) { row.fence_epoch = 1, row.watermark = {1, 0}; });
  CHECK(!reconcile(sale));
  REQUIRE(reconcile(sale, engine::Loss::accept));
  CHECK(sale.meta("epoch") == "5");
  CHECK(sale.row().fence_epoch == 5);
}

TEST_CASE("another database's sale is refused before anything is touched") {
  PrivateRedis redis;
  ServedSale sale(redis);
  auto other = open_sink(sale.other_database());
  {
    auto transaction = other->begin(OrderSink::Access::write, soon());
    REQUIRE((*transaction)->put_sale(sale.row()));
    REQUIRE((*transaction)->commit());
  }
  break_history(sale);
  const auto refused = engine::reconcile(sale.pool, other, sale.id, soon());
  REQUIRE(!refused);
  CHECK(refused.error().code == ErrorCode::conflict);
  CHECK(sale.meta("rec").empty());
}

TEST_CASE("a claim that beats is waited for, one that fell silent is taken over") {
  PrivateRedis redis;
  ServedSale sale(redis);
  break_history(sale);
  claim_for_another(sale, 4'000);
  const auto waited = engine::reconcile(sale.pool, sale.sink, sale.id, Deadline::clock::now() + milliseconds{50});
  REQUIRE(!waited);
  CHECK(waited.error().code == ErrorCode::timed_out);
  CHECK(sale.row().fence_epoch == 1);
  claim_for_another(sale, -6'000);
  REQUIRE(reconcile(sale));
  CHECK(sale.row().fence_epoch == 2);
}

TEST_CASE("a claim whose beat lies in the future is taken over: the database's clock stepped back since") {
  PrivateRedis redis;
  ServedSale sale(redis);
  break_history(sale);
  claim_for_another(sale, 3'600'000);
  REQUIRE(reconcile(sale));
  CHECK(sale.row().fence_epoch == 2);
}

TEST_CASE("who has other sales to serve does not wait for another's reconcile") {
  PrivateRedis redis;
  ServedSale sale(redis);
  break_history(sale);
  claim_for_another(sale, 4'000);
  engine::ReconcileWatch watch;
  watch.waits = false;
  const auto end = Deadline::clock::now() + std::chrono::hours(1);  // waiting would be taking over, after 9 s at most
  const auto left = engine::reconcile(sale.pool, sale.sink, sale.id, end, engine::Loss::refuse, &watch);
  REQUIRE(!left);
  CHECK(left.error().code == ErrorCode::timed_out);
  CHECK(sale.row().rec_uuid == "other");
}

TEST_CASE("copies of a reconcile's calls that stalled on their way do nothing when they arrive") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const core::Keys keys(sale.id);
  const std::string hist = sale.meta("hist");
  CHECK(run(sale, "close_gate", {keys.meta}, {"n", "2", "mine", hist}).elements[1].text == "ok");
  const auto chunk = [&](const char* number, const char* kind, std::vector<std::string> pairs) {
    std::vector<std::string> arguments{"n", "2 mine", number, kind};
    arguments.insert(arguments.end(), pairs.begin(), pairs.end());
    const std::vector<std::string> all{keys.meta, keys.buyers, keys.holds, keys.ops, keys.winners};
    return run(sale, "rebuild", all, arguments).elements[1].text;
  };
  const auto reopen = [&](const char* chunks, const char* not_after = "9999999999999") {
    return run(sale, "reopen", {keys.meta, keys.buyers, keys.journal},
               {"marker", "2 mine", hist, "2", chunks, not_after, "probe_ms", "1", "items", "1"});
  };
  CHECK(chunk("1", "buyers", {"early", "1"}) == "torn");
  CHECK(chunk("0", "clear", {}) == "ok");
  CHECK(chunk("1", "buyers", {"ann", "1 1=1\nr 1 1 0 1-1 r"}) == "ok");
  CHECK(chunk("0", "clear", {}) == "ok");  // the copy
  CHECK(run(sale, "close_gate", {keys.meta}, {"n", "2", "mine", hist}).elements[1].text == "ok");
  CHECK(sale.hash(keys.buyers).count("ann") == 1);
  CHECK(chunk("3", "buyers", {"bob", "1"}) == "torn");
  CHECK(reopen("2").elements[1].text == "torn");
  CHECK(reopen("1", "1").elements[1].text == "late");
  CHECK(reopen("1", "nan").elements[1].text == "late");
  CHECK(sale.meta("epoch") == "1");
  CHECK(reopen("1").elements[1].text == "ok");
  const Reply same = reopen("1");
  CHECK(same.elements[1].text == "same");
  CHECK(same.elements[3].text == "marker");
  CHECK(chunk("0", "clear", {}) == "claimed");
  CHECK(run(sale, "close_gate", {keys.meta}, {"n", "2", "mine", hist}).elements[1].text == "ahead");
  CHECK(run(sale, "close_gate", {keys.meta}, {"n", "1", "older", hist}).elements[1].text == "ahead");
  CHECK(sale.meta("rec").empty());
  CHECK(run(sale, "close_gate", {keys.meta}, {"n", "3", "next", hist}).elements[1].text == "ok");
  CHECK(run(sale, "close_gate", {keys.meta}, {"n", "2", "mine", hist}).elements[1].text == "claimed");
}

TEST_CASE("buyers that are evicted in the middle of a rebuild are missed before anything is sold") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const core::Keys keys(sale.id);
  const std::string hist = sale.meta("hist");
  CHECK(run(sale, "close_gate", {keys.meta}, {"n", "2", "mine", hist}).elements[1].text == "ok");
  const auto chunk = [&](const char* number, const char* kind, std::vector<std::string> pairs) {
    std::vector<std::string> arguments{"n", "2 mine", number, kind};
    arguments.insert(arguments.end(), pairs.begin(), pairs.end());
    return run(sale, "rebuild", {keys.meta, keys.buyers, keys.holds, keys.ops, keys.winners}, arguments)
        .elements[1]
        .text;
  };
  CHECK(chunk("0", "clear", {}) == "ok");
  CHECK(chunk("1", "buyers", {"ann", "1 1=1\nr 1 1 0 1-1 r"}) == "ok");
  redis.command({"DEL", keys.buyers});
  CHECK(chunk("2", "buyers", {"bob", "1 1=1\nr 1 1 0 1-2 r"}) == "torn");
  CHECK(run(sale, "reopen", {keys.meta, keys.buyers, keys.journal},
            {"marker", "2 mine", hist, "2", "1", "9999999999999", "probe_ms", "1", "items", "1"})
            .elements[1]
            .text == "torn");
}

TEST_CASE("a sale in list mode is reopened by its operator alone, on what Redis has") {
  PrivateRedis redis;
  ServedSale journal(redis);
  const auto wrong = engine::reopen_list(journal.pool, journal.id, soon());
  REQUIRE(!wrong);
  CHECK(wrong.error().code == ErrorCode::unsupported);
  CHECK(engine::reopen_list(journal.pool, "nowhere", soon()).error().code == ErrorCode::not_found);
  const core::Keys keys("old");
  REQUIRE(run(journal, "create", {keys.meta, keys.buyers, keys.orders, keys.holds, keys.ops},
              {"0", "u", "9999999999999", "n", "open", "0", "0", "0", "10", "0", "16", "list", "", "shoe", "9", "1"})
              .elements[1]
              .text == "ok");
  const auto epoch = [&] { return std::stoll(redis.command({"HGET", keys.meta, "epoch"}).text); };
  const auto before = epoch();
  redis.command({"HSET", keys.meta, "hist", "0123"});
  REQUIRE(engine::reopen_list(journal.pool, "old", soon()));
  CHECK(epoch() > before);
  CHECK(redis.command({"HGET", keys.buyers, "#"}).text == std::to_string(epoch()));
  CHECK(redis.command({"HGET", keys.meta, "hist"}).text == journal.meta("hist"));
}
