// How durable an answer is: what each level waits for, what is told below it, and what a failover or reset does to
// those who wait.
#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <future>
#include <thread>

#include "core/keyspace.hpp"
#include "flashsale/metrics.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/process.hpp"
#include "support/raw_sale.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"
#include "support/wire_proxy.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

const SaleId kSale{"spring"};

Call click(std::string_view buyer, Level level, milliseconds timeout) {
  Call call{kSale, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"r1"}};
  call.level = level;
  call.timeout = timeout;
  return call;
}
OrderKey order(std::string_view buyer) { return {kSale, BuyerId{buyer}, RequestId{"r1"}}; }

/// What nobody may hear while a replica lacks what is asked for.
bool is_told_at_replicas(const Result<Answer>& answer) { return answer && answer->level == Level::replicas; }

/// No test waits for it; whoever should be `pending` gets kShort.
constexpr milliseconds kLong{20'000};
constexpr milliseconds kShort{1000};

Answer must(const Result<Answer>& answer) {
  REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
  return *answer;
}

}  // namespace

TEST_SUITE("engine/level") {
  TEST_CASE("at level database an answer means a row, and without a worker it is pending with its order") {
    PrivateRedis redis;
    ServedSale sale(redis);
    StockGate gate(sale.pool);
    const Answer pending = must(gate.reserve(click("ann", Level::database, kShort)));
    CHECK(pending.outcome == Outcome::pending);
    CHECK(to_string(pending.order) == "1-1.0");
    CHECK(pending.level == Level::primary);
    CHECK_FALSE(pending.holds_stock());
    CHECK(sale.orders().empty());

    const RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
    const Answer stored = must(gate.reserve(click("bob", Level::database, kLong)));
    CHECK(stored.outcome == Outcome::reserved);
    CHECK(stored.level == Level::database);
    CHECK(sale.orders().size() == 2);
    for (const Answer& again : {must(gate.reserve(click("ann", Level::database, kLong))),
                                must(gate.resolve(order("ann"), {kLong, Level::database}))}) {
      CHECK(again.outcome == Outcome::already_reserved);
      CHECK(again.order == pending.order);
      CHECK(again.level == Level::database);
    }
    // What asserts no order's state has no level to wait for.
    CHECK(must(gate.resolve(order("cid"), {kLong, Level::database})).outcome == Outcome::not_reserved);
  }

  TEST_CASE("a confirm waits for the database by itself where the sale has one, and a lost confirm is not committed") {
    PrivateRedis redis;
    ServedSale sale(redis);
    StockGate gate(sale.pool);
    {
      const RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
      REQUIRE(must(gate.reserve(click("ann", Level::database, kLong))).level == Level::database);
    }
    // The reserve is committed and the confirm is not: asked again, it must not pass for committed.
    CHECK(must(gate.confirm(order("ann"), {kShort})).outcome == Outcome::pending);
    CHECK(must(gate.confirm(order("ann"), {kShort})).outcome == Outcome::pending);
    CHECK(must(gate.confirm(order("ann"), {kShort, Level::primary})).outcome == Outcome::already_confirmed);
    CHECK(sale.orders().at(0).state == OrderState::reserved);
    const RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
    const Answer confirmed = must(gate.confirm(order("ann"), {kLong}));
    CHECK(confirmed.outcome == Outcome::already_confirmed);
    CHECK(confirmed.level == Level::database);
    CHECK(sale.orders().at(0).state == OrderState::confirmed);
  }

  TEST_CASE("hundreds who wait for the database hear at once when it has them, through submit as well") {
    PrivateRedis redis;
    ServedTerms terms;
    terms.items = {{"shoe", 1000, 5, 0}};
    ServedSale sale(redis, terms);
    StockGate gate(sale.pool);
    CompletionQueue queue;
    std::vector<std::string> names;
    for (int i = 0; i < 700; ++i) names.push_back("b" + std::to_string(i));
    std::vector<Call> calls;
    for (const auto& name : names) calls.push_back(click(name, Level::database, kLong));
    for (std::size_t i = 0; i < calls.size(); ++i) calls[i].tag = i;
    REQUIRE(gate.submit(calls.data(), calls.size(), queue).value() == calls.size());
    REQUIRE(eventually([&] { return sale.meta("booked:1") == "700"; }));
    const RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
    std::size_t have = 0;
    while (have < calls.size()) {
      Event events[64];
      const std::size_t count = queue.drain(events, 64, kLong);
      REQUIRE(count > 0);
      for (std::size_t i = 0; i < count; ++i) {
        CHECK(events[i].code == static_cast<int>(Outcome::reserved));
        CHECK(events[i].level == Level::database);
      }
      have += count;
    }
    CHECK(sale.orders().size() == 700);
  }

  TEST_CASE("an order that the database does not take is told as dead to whoever waits for it") {
    PrivateRedis redis;
    ServedTerms terms;
    terms.items = {{"shoe", 1, 5, 0}};
    ServedSale sale(redis, terms);
    redis.command({"HSET", core::Keys(sale.id).meta, "total:1", "2"});
    StockGate gate(sale.pool);
    auto first = std::async(std::launch::async, [&] { return gate.reserve(click("ann", Level::database, kLong)); });
    REQUIRE(eventually([&] { return sale.meta("booked:1") == "1"; }));
    auto second = std::async(std::launch::async, [&] { return gate.reserve(click("bob", Level::database, kLong)); });
    REQUIRE(eventually([&] { return sale.meta("booked:1") == "2"; }));
    const RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
    CHECK(must(first.get()).outcome == Outcome::reserved);
    const Answer dead = must(second.get());
    CHECK(dead.outcome == Outcome::dead);
    CHECK(dead.level == Level::database);
  }

  TEST_CASE("whoever waits while the history is lost is asked again under the new epoch, with the order it won") {
    PrivateRedis redis;
    ServedSale sale(redis);
    StockGate gate(sale.pool);
    auto waiting = std::async(std::launch::async, [&] { return gate.reserve(click("ann", Level::database, kLong)); });
    REQUIRE(eventually([&] { return sale.meta("booked:1") == "1"; }));
    redis.command({"HSET", core::Keys(sale.id).meta, "hist", "0123"});
    const RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});  // drains what survived, and rebuilds
    const Answer answer = must(waiting.get());
    CHECK(answer.outcome == Outcome::reserved);
    CHECK(to_string(answer.order) == "1-1.0");
    CHECK(answer.level == Level::database);
    CHECK(sale.meta("epoch") == "2");
  }

  TEST_CASE("an order that was lost while its caller waits is won anew, never told as committed") {
    PrivateRedis redis;
    ServedSale sale(redis);
    StockGate gate(sale.pool);
    auto waiting = std::async(std::launch::async, [&] { return gate.reserve(click("ann", Level::database, kLong)); });
    REQUIRE(eventually([&] { return sale.meta("booked:1") == "1"; }));
    redis.command({"FLUSHALL"});
    const RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
    const Answer answer = must(waiting.get());
    CHECK(answer.outcome == Outcome::reserved);
    CHECK(answer.order.at.epoch == 2);
    CHECK(answer.level == Level::database);
    REQUIRE(sale.orders().size() == 1);
    CHECK(sale.orders()[0].order.id == answer.order);
  }

  TEST_CASE("a fenced sale leaves who waits pending, with the order, not told that it was paused") {
    PrivateRedis redis;
    ServedSale sale(redis);
    StockGate gate(sale.pool);
    auto waiting =
        std::async(std::launch::async, [&] { return gate.reserve(click("ann", Level::database, milliseconds{500})); });
    REQUIRE(eventually([&] { return sale.meta("booked:1") == "1"; }));
    redis.command({"HSET", core::Keys(sale.id).meta, "hist", "0123"});
    const Answer answer = must(waiting.get());
    CHECK(answer.outcome == Outcome::pending);
    CHECK(to_string(answer.order) == "1-1.0");
  }

  TEST_CASE("a gate destroyed while a call waits for the database leaves it pending, with its order") {
    PrivateRedis redis;
    ServedSale sale(redis);
    CompletionQueue queue;
    const auto looks = [&] {
      const std::string stats = redis.command({"INFO", "commandstats"}).text;
      const auto at = stats.find("cmdstat_hmget:calls=");
      return at == std::string::npos ? 0 : std::stoi(stats.substr(at + 20));
    };
    {
      StockGate gate(sale.pool);
      const Call call = click("ann", Level::database, kLong);
      REQUIRE(gate.submit(&call, 1, queue).value() == 1);
      REQUIRE(eventually([&] { return sale.meta("booked:1") == "1"; }));
      // Nothing is left to decide: whoever asks Redis now looks for the watermark that the call waits for.
      const int before = looks();
      REQUIRE(eventually([&] { return looks() > before; }));
    }
    Event event;
    REQUIRE(queue.drain(&event, 1, kLong) == 1);
    CHECK(event.code == static_cast<int>(Outcome::pending));
    CHECK(to_string(event.order()) == "1-1.0");
    CHECK(event.level == Level::primary);
  }

  TEST_CASE("a sale without a database has no level database, and nothing is sold by asking for it") {
    PrivateRedis redis;
    auto pool = make_pool(redis.url()).value();
    make_raw_sale(*pool, Sale{kSale}.item(ItemId{"shoe"}, 5, 2));
    StockGate gate(pool);
    const auto answer = gate.reserve(click("ann", Level::database, kLong));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == ErrorCode::unsupported);
    CHECK(answer.error().effect == Effect::none);
    CHECK(redis.command({"HGET", "fs:{spring}:meta", "booked:1"}).text == "0");
    REQUIRE(gate.reserve(click("ann", Level::primary, kLong)));
    CHECK(must(gate.confirm(order("ann"))).outcome == Outcome::confirmed);  // `usual` is what the sale can do
  }

  TEST_CASE("level replicas waits for every replica, says pending while one is missing, and unsupported without any") {
    PrivateRedis primary({"--repl-diskless-sync-delay", "0"}, Tcp::yes), replica({}, Tcp::yes);
    auto pool = make_pool(primary.tcp_url()).value();
    make_raw_sale(*pool, Sale{kSale}.item(ItemId{"shoe"}, 100, 2));
    StockGate gate(pool);
    const auto alone = gate.reserve(click("ann", Level::replicas, kLong));
    REQUIRE_FALSE(alone);
    CHECK(alone.error().code == ErrorCode::unsupported);
    CHECK(primary.command({"HGET", "fs:{spring}:meta", "booked:1"}).text == "0");

    replica.replica_of(primary);
    // A replica that attaches changes the history, and a sale made before is fenced: make another.
    make_raw_sale(*pool, Sale{SaleId{"autumn"}}.item(ItemId{"shoe"}, 100, 2));
    Call call = click("ann", Level::replicas, kLong);
    call.sale = SaleId{"autumn"};
    const Answer reserved = must(gate.reserve(call));
    CHECK(reserved.outcome == Outcome::reserved);
    CHECK(reserved.level == Level::replicas);
    CHECK(replica.command({"HGET", "fs:{autumn}:meta", "booked:1"}).text == "1");

    send_signal(replica.pid(), SIGSTOP);
    Call other = call;
    other.buyer = BuyerId{"bob"};
    other.timeout = kShort;
    const Answer pending = must(gate.reserve(other));
    CHECK(pending.outcome == Outcome::pending);
    CHECK(pending.order);
    CHECK(pending.level == Level::primary);
    // A retry writes nothing, and yet asserts what the replica does not have.
    CHECK(must(gate.reserve(other)).outcome == Outcome::pending);
    StockGate fresh(make_pool(primary.tcp_url()).value());
    CHECK(must(fresh.reserve(other)).outcome == Outcome::pending);
    send_signal(replica.pid(), SIGCONT);
    other.timeout = kLong;
    const Answer late = must(gate.reserve(other));
    CHECK(late.outcome == Outcome::already_reserved);
    CHECK(late.order == pending.order);
    CHECK(late.level == Level::replicas);
    const Answer resolved =
        must(gate.resolve({SaleId{"autumn"}, BuyerId{"bob"}, RequestId{"r1"}}, {kLong, Level::replicas}));
    CHECK(resolved.level == Level::replicas);
  }

  TEST_CASE("a sale that is to wait for a replica is told nothing at level replicas where there never was one") {
    PrivateRedis primary;  // which counts no offset: what it wrote and what nobody has acknowledged are both nought
    auto pool = make_pool(primary.url()).value();
    Sale sale = Sale{kSale}.item(ItemId{"shoe"}, 100, 2);
    sale.replicas = 1;
    make_raw_sale(*pool, sale);
    StockGate gate(pool);
    for (int i = 0; i < 2; ++i) {
      const Answer answer = must(gate.reserve(click("ann", Level::replicas, kShort)));
      CHECK(answer.outcome == Outcome::pending);
      CHECK(answer.level == Level::primary);
    }
  }

  TEST_CASE("with a replica cut off nothing is told at level replicas: no fresh reserve, retry, look or confirm") {
    PrivateRedis primary({"--repl-diskless-sync-delay", "0"}, Tcp::yes), replica({}, Tcp::yes);
    replica.replica_of(primary);
    auto pool = make_pool(primary.tcp_url()).value();
    make_raw_sale(*pool, Sale{kSale}.item(ItemId{"shoe"}, 100, 2));
    StockGate gate(pool), other(make_pool(primary.tcp_url()).value());
    REQUIRE(must(gate.reserve(click("ann", Level::replicas, kLong))).level == Level::replicas);
    send_signal(replica.pid(), SIGSTOP);

    std::vector<std::string> names;
    for (int i = 0; i < 60; ++i) names.push_back("b" + std::to_string(i));
    std::vector<Call> calls;
    for (const auto& name : names) calls.push_back(click(name, Level::replicas, kShort));
    // Each again from a gate whose connections never wrote anything.
    for (StockGate* const asked : {&gate, &gate, &other}) {
      CompletionQueue queue;
      REQUIRE(asked->submit(calls.data(), calls.size(), queue).value() == calls.size());
      for (std::size_t have = 0; have < calls.size();) {
        Event events[64];
        const std::size_t count = queue.drain(events, 64, kLong);
        REQUIRE(count > 0);
        for (std::size_t i = 0; i < count; ++i) CHECK(events[i].code == static_cast<int>(Outcome::pending));
        have += count;
      }
    }
    CHECK(primary.command({"HGET", "fs:{spring}:meta", "booked:1"}).text == "61");
    for (StockGate* const asked : {&gate, &other}) {
      CHECK_FALSE(is_told_at_replicas(asked->resolve(order("b1"), {kShort, Level::replicas})));
      CHECK_FALSE(is_told_at_replicas(asked->confirm(order("b2"), {kShort, Level::replicas})));
      CHECK_FALSE(is_told_at_replicas(asked->release(order("b3"), {kShort, Level::replicas})));
    }
    // Where the mark is refused a look still answers, and says of the replicas what is known: nothing.
    primary.command({"CONFIG", "SET", "maxmemory", "1"});
    CHECK_FALSE(is_told_at_replicas(other.resolve(order("b1"), {kShort, Level::replicas})));
    CHECK_FALSE(is_told_at_replicas(other.reserve(click("b4", Level::replicas, kShort))));
    primary.command({"CONFIG", "SET", "maxmemory", "0"});

    send_signal(replica.pid(), SIGCONT);
    CHECK(must(other.resolve(order("b1"), {kLong, Level::replicas})).level == Level::replicas);
    CHECK(must(gate.confirm(order("b2"), {kLong, Level::replicas})).level == Level::replicas);
  }

  TEST_CASE("a replica that is always later than one WAIT lasts is reached all the same, while others go on buying") {
    PrivateRedis primary({"--repl-diskless-sync-delay", "0"}, Tcp::yes), replica({}, Tcp::yes);
    WireProxy link("127.0.0.1:" + std::to_string(primary.port()), Tcp::yes);
    replica.command({"REPLICAOF", "127.0.0.1", std::to_string(link.port())});
    replica.wait_linked();
    auto pool = make_pool(primary.tcp_url()).value();
    make_raw_sale(*pool, Sale{kSale}.item(ItemId{"shoe"}, 1'000'000, 2));
    link.delay_replies(milliseconds{150});
    StockGate gate(pool), others(make_pool(primary.tcp_url()).value());
    std::atomic<bool> stop{false};
    std::thread crowd([&] {
      for (int i = 0; !stop; ++i)
        static_cast<void>(others.reserve(click("other-" + std::to_string(i), Level::primary, kLong)));
    });
    const auto reserved = gate.reserve(click("ann", Level::replicas, kLong));
    const auto resolved = gate.resolve(order("ann"), {kLong, Level::replicas});
    stop = true;
    crowd.join();
    CHECK(must(reserved).level == Level::replicas);
    CHECK(must(resolved).level == Level::replicas);
  }

  TEST_CASE("a node that forgot its scripts is told the mark anew, and level replicas goes on") {
    PrivateRedis primary({"--repl-diskless-sync-delay", "0"}, Tcp::yes), replica({}, Tcp::yes);
    replica.replica_of(primary);
    auto pool = make_pool(primary.tcp_url()).value();
    make_raw_sale(*pool, Sale{kSale}.item(ItemId{"shoe"}, 100, 2));
    StockGate gate(pool);
    for (const char* const buyer : {"ann", "bob"}) {
      primary.command({"SCRIPT", "FLUSH"});
      CHECK(must(gate.reserve(click(buyer, Level::replicas, kLong))).level == Level::replicas);
    }
  }

  TEST_CASE("a confirm that is lost while it waits for the replicas is made again, never told by its order alone") {
    PrivateRedis primary({"--repl-diskless-sync-delay", "0"}, Tcp::yes), replica({}, Tcp::yes);
    replica.replica_of(primary);
    ServedSale sale(primary);
    WireProxy wire(primary.socket_path());
    StockGate gate(make_pool(wire.url()).value());
    REQUIRE(gate.reserve(click("ann", Level::primary, kLong)));
    OrderWorker worker(sale.pool, sale.sink, {}, {sale.id});
    REQUIRE(worker.drain(soon()));
    const auto is_confirmed_in_redis = [&] {
      return sale.hash(core::Keys(sale.id).buyers)["ann"].find(" c") != std::string::npos;
    };
    send_signal(replica.pid(), SIGSTOP);
    const auto batches = metrics().batches;
    auto waiting = std::async(std::launch::async, [&] { return gate.confirm(order("ann"), {kLong, Level::replicas}); });
    REQUIRE(eventually(is_confirmed_in_redis));
    REQUIRE(eventually([&] { return metrics().batches > batches; }));  // the first WAIT was in vain
    wire.stall();                   // else it might hear that the sale is fenced, and say no more than `pending`
    primary.command({"FLUSHALL"});  // the database has the order, but not its confirm
    REQUIRE(worker.drain(soon()));
    wire.pass();
    CHECK(sale.meta("epoch") == "2");
    send_signal(replica.pid(), SIGCONT);
    const Answer answer = must(waiting.get());
    CHECK(answer.outcome == Outcome::confirmed);
    CHECK(answer.level == Level::replicas);
    CHECK(is_confirmed_in_redis());
  }
}
