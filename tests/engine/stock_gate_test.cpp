// What a gate answers, blocking and through submit, against a real Redis; and what it says when it does not know.
#include "flashsale/stock_gate.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "core/keyspace.hpp"
#include "flashsale/redis.hpp"
#include "support/private_redis.hpp"
#include "support/raw_sale.hpp"
#include "support/wire_proxy.hpp"
#include "util/stop.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

const SaleId kSale{"spring"};
const ItemId kShoe{"shoe"};

/// A private Redis with one open sale: shoe (5 units, 2 a buyer) and hat (100 units, 100 a buyer).
struct Shop {
  explicit Shop(std::vector<std::string> redis_arguments = {})
      : redis(std::move(redis_arguments)), pool(make_pool(redis.url()).value()) {
    make_raw_sale(*pool, Sale{kSale}.item(kShoe, 5, 2).item(ItemId{"hat"}, 100, 100));
  }
  Reply meta(std::string_view field) { return redis.command({"HGET", "fs:{spring}:meta", field}); }

  PrivateRedis redis;
  std::shared_ptr<ConnectionPool> pool;
};

Call click(std::string_view buyer, std::string_view request, std::uint32_t quantity = 1) {
  return {kSale, kShoe, BuyerId{buyer}, RequestId{request}, quantity};
}

Outcome outcome_of(const Result<Answer>& answer) {
  REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
  return answer->outcome;
}

ErrorCode error_of(const Result<Answer>& answer) {
  REQUIRE_FALSE(answer);
  return answer.error().code;
}

/// Never lends, nor gives up at the deadline: only a stop ends its waits, within half a minute.
struct EndlessPool final : ConnectionPool {
  Result<Lease> acquire(Role, std::uint16_t, Deadline) override {
    ++asked;
    const util::Wait wait(Deadline::clock::now() + std::chrono::seconds(30));
    while (!wait.is_over()) std::this_thread::sleep_until(wait.slice());
    if (util::stop_requested()) ++stopped;
    return fail(ErrorCode::timed_out, "nothing is lent");
  }
  void report(Connection*, Heard, std::string_view) override {}
  void give_back(Connection*) override {}

  std::atomic<int> asked{0}, stopped{0};
};

/// As in a cluster: the slot of one sale is served by a node that is away, all others by one that is there.
struct HalfPool final : ConnectionPool {
  HalfPool(std::shared_ptr<ConnectionPool> its_good, std::string_view away)
      : good(std::move(its_good)), slot_away(core::slot_of(away)) {}
  Result<Lease> acquire(Role role, std::uint16_t slot, Deadline deadline) override {
    return (slot == slot_away ? bad : good)->acquire(role, slot, deadline);
  }
  void report(Connection*, Heard, std::string_view) override {}  // a lease is of the pool that lent it
  void give_back(Connection*) override {}

  const std::shared_ptr<ConnectionPool> good, bad = make_pool("redis+unix:///nonexistent/redis.sock").value();
  const std::uint16_t slot_away;
};

std::vector<Event> drain_all(CompletionQueue& queue, std::size_t count) {
  std::vector<Event> events(count);
  std::size_t have = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (have < count && std::chrono::steady_clock::now() < until)
    have += queue.drain(events.data() + have, count - have, milliseconds{200});
  REQUIRE(have == count);
  return events;
}

}  // namespace

TEST_SUITE("engine/stock_gate") {
  TEST_CASE("a unit is sold once, and its buyer's retry hears the same order") {
    Shop shop;
    StockGate gate(shop.pool);

    const auto first = gate.reserve(click("ann", "r1"));
    const auto again = gate.reserve(click("ann", "r1"));

    CHECK(outcome_of(first) == Outcome::reserved);
    CHECK(to_string(first->order) == "1-1.0");
    CHECK(first->remaining == 4);
    CHECK(outcome_of(again) == Outcome::already_reserved);
    CHECK(again->order == first->order);
    CHECK(shop.meta("booked:1").text == "1");
  }

  TEST_CASE("the limit, the stock and a reused request each have their own answer") {
    Shop shop;
    StockGate gate(shop.pool);
    CHECK(outcome_of(gate.reserve(click("ann", "r1", 2))) == Outcome::reserved);
    CHECK(outcome_of(gate.reserve(click("ann", "r2"))) == Outcome::limit_reached);
    CHECK(error_of(gate.reserve(click("ann", "r1", 1))) == ErrorCode::conflict);
    CHECK(outcome_of(gate.reserve(click("bob", "r1", 2))) == Outcome::reserved);
    CHECK(outcome_of(gate.reserve(click("cid", "r1", 2))) == Outcome::sold_out);
    CHECK(outcome_of(gate.reserve(click("cid", "r1", 1))) == Outcome::reserved);
    CHECK(outcome_of(gate.reserve(click("dan", "r1", 1))) == Outcome::sold_out);
    Call nothing = click("eve", "r1");
    nothing.item = ItemId{"sock"};
    CHECK(error_of(gate.reserve(nothing)) == ErrorCode::not_found);
    nothing.sale = SaleId{"autumn"};
    CHECK(error_of(gate.reserve(nothing)) == ErrorCode::not_found);
  }

  TEST_CASE("a sale whose node is away does not hold up the others of its lane") {
    Shop shop;
    GateOptions options;
    options.lanes = 1;
    StockGate gate(std::make_shared<HalfPool>(shop.pool, "autumn"), options);
    CompletionQueue queue(256);
    Call away{SaleId{"autumn"}, kShoe, BuyerId{"ann"}, RequestId{"click"}};
    away.timeout = milliseconds{30'000};
    const std::vector<Call> calls(100, away);
    REQUIRE(gate.submit(calls.data(), calls.size(), queue).value() == calls.size());
    for (const char* buyer : {"ann", "bob", "cid"}) {
      Call call = click(buyer, "r1");
      call.timeout = milliseconds{20'000};
      CHECK(outcome_of(gate.reserve(call)) == Outcome::reserved);
    }
    Event early;
    CHECK(queue.drain(&early, 1, milliseconds{0}) == 0);
  }

  TEST_CASE("a field out of bounds is named, and nothing is sent") {
    Shop shop;
    StockGate gate(shop.pool);
    struct Row {
      Call call;
      const char* word;
    };
    const std::string long_id(65, 'x'), payload(1025, 'p');
    Call no_sale = click("a", "b"), long_buyer = click(long_id, "b"), bad_request = click("a", "b c");
    no_sale.sale = SaleId{""};
    Call zero = click("a", "b", 0), much = click("a", "b", 1'000'001), heavy = click("a", "b"), slow = click("a", "b");
    heavy.payload = payload;
    slow.timeout = milliseconds{30'001};
    for (const Row& row : {Row{no_sale, "sale"}, Row{long_buyer, "buyer"}, Row{bad_request, "request"},
                           Row{zero, "quantity"}, Row{much, "quantity"}, Row{heavy, "payload"}, Row{slow, "timeout"}}) {
      const auto answer = gate.reserve(row.call);
      CHECK(error_of(answer) == ErrorCode::invalid_argument);
      CHECK_MESSAGE(answer.error().detail.find(row.word) != std::string::npos, answer.error().detail);
    }
    CHECK(shop.meta("booked:1").text == "0");
  }

  TEST_CASE("every submitted call yields one event with its tag, and the stock is sold exactly") {
    Shop shop;
    StockGate gate(shop.pool);
    CompletionQueue queue;
    std::vector<std::string> buyers;
    for (int i = 0; i < 3000; ++i) buyers.push_back("b" + std::to_string(i));
    std::vector<Call> calls;
    for (std::size_t i = 0; i < buyers.size(); ++i) {
      calls.push_back({kSale, ItemId{"hat"}, BuyerId{buyers[i]}, RequestId{"r"}});
      calls.back().tag = i;
      calls.back().timeout = milliseconds{20'000};
    }
    REQUIRE(gate.submit(calls.data(), calls.size(), queue).value() == calls.size());

    std::set<std::uint64_t> tags;
    std::set<std::pair<std::uint64_t, std::uint32_t>> orders;
    int sold = 0;
    for (const Event& event : drain_all(queue, calls.size())) {
      tags.insert(event.tag);
      if (event.code != static_cast<int>(Outcome::reserved)) {
        CHECK(event.code == static_cast<int>(Outcome::sold_out));
        continue;
      }
      ++sold;
      orders.insert({event.seq, event.index});
    }
    CHECK(tags.size() == calls.size());
    CHECK(sold == 100);
    CHECK(orders.size() == 100);
    CHECK(shop.meta("booked:2").text == "100");
    CHECK(queue.outstanding() == 0);
  }

  TEST_CASE("the queue's descriptor is readable while events are there, and quiet once they are drained") {
    Shop shop;
    StockGate gate(shop.pool);
    CompletionQueue queue;
    pollfd readable{queue.fd(), POLLIN, 0};
    CHECK(poll(&readable, 1, 0) == 0);
    const Call call = click("ann", "r1");
    REQUIRE(gate.submit(&call, 1, queue).value() == 1);
    CHECK(poll(&readable, 1, 10'000) == 1);
    CHECK(drain_all(queue, 1)[0].code == static_cast<int>(Outcome::reserved));
    CHECK(poll(&readable, 1, 0) == 0);
    queue.wake();
    CHECK(poll(&readable, 1, 0) == 1);
    Event none;
    CHECK(queue.drain(&none, 1) == 0);
    CHECK(poll(&readable, 1, 0) == 0);
  }

  TEST_CASE("a full completion queue and a full gate refuse at the door") {
    Shop shop;
    CompletionQueue small(2);
    std::vector<Call> calls(5, click("ann", "r1"));
    {
      StockGate gate(shop.pool);
      CHECK(gate.submit(calls.data(), calls.size(), small).value() == 2);
      drain_all(small, 2);
      CHECK(gate.submit(calls.data(), calls.size(), small).value() == 2);
      drain_all(small, 2);
    }
    GateOptions narrow;
    narrow.waiting_max = 3;
    StockGate gate(shop.pool, narrow);
    CompletionQueue queue;
    const auto accepted = gate.submit(calls.data(), calls.size(), queue).value();
    CHECK(accepted == 3);
    drain_all(queue, accepted);
  }

  TEST_CASE("64 threads on two items sell every unit once") {
    Shop shop;
    StockGate gate(shop.pool);
    std::vector<std::thread> threads;
    std::vector<int> sold(64, 0);
    for (std::size_t t = 0; t < sold.size(); ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 20; ++i) {
          const std::string buyer = "t" + std::to_string(t), request = "r" + std::to_string(i);
          Call call{kSale, ItemId{"hat"}, BuyerId{buyer}, RequestId{request}};
          call.timeout = milliseconds{20'000};
          const auto answer = gate.reserve(call);
          if (answer && answer->outcome == Outcome::reserved) ++sold[t];
        }
      });
    }
    for (auto& thread : threads) thread.join();
    int total = 0;
    for (const int s : sold) total += s;
    CHECK(total == 100);
  }

  TEST_CASE("without Redis a call ends by its deadline, with effect none") {
    auto pool = make_pool("redis+unix:///nonexistent/redis.sock").value();
    StockGate gate(pool);
    Call call = click("ann", "r1");
    call.timeout = milliseconds{60};
    const auto answer = gate.reserve(call);
    CHECK(error_of(answer) == ErrorCode::timed_out);
    CHECK(answer.error().effect == Effect::none);
    CHECK(answer.error().retryable());
    CompletionQueue queue;
    REQUIRE(gate.submit(&call, 1, queue).value() == 1);
    const auto event = drain_all(queue, 1)[0];
    CHECK(event.error() == ErrorCode::timed_out);
    CHECK(event.effect == Effect::none);
  }

  TEST_CASE("scripts flushed in mid-sale are loaded again, and no caller hears of it") {
    Shop shop;
    StockGate gate(shop.pool);
    CHECK(outcome_of(gate.reserve(click("ann", "r1"))) == Outcome::reserved);
    shop.redis.command({"SCRIPT", "FLUSH"});
    CHECK(outcome_of(gate.reserve(click("bob", "r1"))) == Outcome::reserved);
  }

  TEST_CASE(
      "Redis out of memory refuses new sales, but a winner still hears of his order and a refused one of his refusal") {
    Shop shop;
    StockGate gate(shop.pool);
    CHECK(outcome_of(gate.reserve(click("ann", "r1", 2))) == Outcome::reserved);
    shop.redis.command({"CONFIG", "SET", "maxmemory", "1"});

    const auto bob = gate.reserve(click("bob", "r1"));
    CHECK(error_of(bob) == ErrorCode::refused);
    CHECK(bob.error().effect == Effect::none);
    CHECK(outcome_of(gate.reserve(click("ann", "r1", 2))) == Outcome::already_reserved);
    CHECK(outcome_of(gate.reserve(click("ann", "r2", 1))) == Outcome::limit_reached);

    shop.redis.command({"CONFIG", "SET", "maxmemory", "0"});
    CHECK(outcome_of(gate.reserve(click("bob", "r1"))) == Outcome::reserved);
  }

  TEST_CASE("a sale that lost its history is paused by the fence, and one that is gone is not called unknown") {
    Shop shop({"--enable-debug-command", "yes"});
    StockGate gate(shop.pool);
    CHECK(outcome_of(gate.reserve(click("ann", "r1"))) == Outcome::reserved);
    shop.redis.command({"DEBUG", "CHANGE-REPL-ID"});
    const auto fenced = gate.reserve(click("bob", "r1"));
    CHECK(outcome_of(fenced) == Outcome::paused);
    CHECK(fenced->reason == PauseReason::fenced);
    CHECK(fenced->retry_after_ms > 0);
    shop.redis.command({"FLUSHALL"});
    const auto gone = gate.reserve(click("bob", "r1"));
    CHECK(outcome_of(gone) == Outcome::paused);
    CHECK(gone->reason == PauseReason::fenced);
    CHECK(error_of(StockGate(shop.pool).reserve(click("bob", "r1"))) == ErrorCode::not_found);
  }

  TEST_CASE("resolve tells what became of a request; not_reserved holds nothing") {
    Shop shop;
    StockGate gate(shop.pool);
    const auto won = gate.reserve(click("ann", "r1"));
    const auto found = gate.resolve({kSale, BuyerId{"ann"}, RequestId{"r1"}});
    CHECK(outcome_of(found) == Outcome::already_reserved);
    CHECK(found->order == won->order);
    CHECK(outcome_of(gate.resolve({kSale, BuyerId{"ann"}, RequestId{"r2"}})) == Outcome::not_reserved);
    CHECK(outcome_of(gate.resolve({kSale, BuyerId{"bob"}, RequestId{"r1"}})) == Outcome::not_reserved);
    CHECK(outcome_of(gate.status({kSale, BuyerId{"ann"}, RequestId{"r1"}})) == Outcome::already_reserved);
  }

  TEST_CASE("a gate used before a fork answers `forked` in the child, and one not used works there") {
    Shop shop;
    auto used = std::make_unique<StockGate>(shop.pool);
    REQUIRE(used->reserve(click("ann", "r1")));
    StockGate unused(make_pool(shop.redis.url()).value());
    const pid_t child = fork();
    if (child == 0) {
      const auto foreign = used->reserve(click("bob", "r1"));
      used.reset();
      const auto own = unused.reserve(click("bob", "r2"));
      const bool good = !foreign && foreign.error().code == ErrorCode::forked && own && own->holds_stock();
      _exit(good ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    CHECK(outcome_of(used->reserve(click("cid", "r1"))) == Outcome::reserved);
  }

  TEST_CASE("of two status calls in one batch each ends by its own deadline, however late Redis is") {
    Shop shop;
    GateOptions options;
    options.lanes = 1;
    StockGate gate(shop.pool, options);
    CompletionQueue queue;
    REQUIRE(outcome_of(gate.reserve(click("ann", "r1"))) == Outcome::reserved);
    // So that the lane is connected and the script is there: what follows is one round trip.
    REQUIRE(outcome_of(gate.status({kSale, BuyerId{"ann"}, RequestId{"r1"}})) == Outcome::already_reserved);
    shop.redis.pause();
    std::vector<Call> calls(2, click("ann", "r1"));
    for (Call& call : calls) call.verb = Verb::status;
    calls[0].timeout = milliseconds{50};
    calls[1].timeout = milliseconds{30'000};
    calls[1].tag = 1;
    REQUIRE(gate.submit(calls.data(), 2, queue).value() == 2);
    const Event first = drain_all(queue, 1)[0];
    CHECK(first.tag == 0);
    CHECK(first.error() == ErrorCode::timed_out);
    CHECK(first.effect == Effect::none);
    std::this_thread::sleep_for(milliseconds{100});  // past every rounding of that deadline
    shop.redis.resume();  // and says `late`, since the batch was to be done within the first one's time
    const Event second = drain_all(queue, 1)[0];
    CHECK(second.tag == 1);
    CHECK(second.outcome() == Outcome::already_reserved);
  }

  TEST_CASE("a refusal that Redis took long for is a refusal all the same") {
    Shop shop;
    GateOptions options;
    options.view = false;
    StockGate gate(shop.pool, options);
    REQUIRE(outcome_of(gate.reserve(click("ann", "r1", 2))) == Outcome::reserved);
    shop.redis.pause();
    CompletionQueue queue;
    Call call = click("ann", "r2", 1);
    call.timeout = milliseconds{30'000};
    REQUIRE(gate.submit(&call, 1, queue).value() == 1);
    std::this_thread::sleep_for(milliseconds{400});  // several of the slices in which the lane looks around
    shop.redis.resume();
    CHECK(drain_all(queue, 1)[0].outcome() == Outcome::limit_reached);
  }

  TEST_CASE("a gate that is destroyed ends what its threads wait for") {
    const auto pool = std::make_shared<EndlessPool>();
    CompletionQueue queue(2);
    {
      StockGate gate(pool);
      for (const char* buyer : {"ann", "bob"}) {  // one a lane
        Call call = click(buyer, "r1");
        call.timeout = milliseconds{30'000};
        REQUIRE(gate.submit(&call, 1, queue).value() == 1);
      }
      while (pool->asked < 2) std::this_thread::yield();
    }
    CHECK(pool->stopped == 2);
    for (const Event& event : drain_all(queue, 2)) {
      CHECK(event.error() == ErrorCode::closed);
      CHECK(event.effect == Effect::none);
    }
  }

  TEST_CASE("a gate destroyed with calls under way answers each of them once") {
    Shop shop;
    CompletionQueue queue;
    std::vector<Call> calls(2000, click("ann", "r1"));
    {
      StockGate gate(shop.pool);
      REQUIRE(gate.submit(calls.data(), calls.size(), queue).value() == calls.size());
    }
    for (const Event& event : drain_all(queue, calls.size()))
      CHECK((event.is_outcome() || event.error() == ErrorCode::closed));
    CHECK(queue.outstanding() == 0);
  }
}
