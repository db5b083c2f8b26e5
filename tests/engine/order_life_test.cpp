// What becomes of an order after it was won: confirmed, released, expired; by every way into the gate.
#include <doctest/doctest.h>

#include <atomic>
#include <thread>

#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/private_redis.hpp"
#include "support/raw_sale.hpp"
#include "support/wire_proxy.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

const SaleId kSale{"spring"};
const ItemId kShoe{"shoe"};

/// A private Redis with one open sale of shoes: 100 units, 10 a buyer, held for `hold`. It has no database.
struct Shop {
  explicit Shop(milliseconds hold = std::chrono::minutes(15)) : pool(make_pool(redis.url()).value()) {
    Sale sale = Sale{kSale}.item(kShoe, 100, 10);
    sale.hold = hold;
    make_raw_sale(*pool, sale);
  }
  std::string meta(std::string_view field) { return redis.command({"HGET", "fs:{spring}:meta", field}).text; }

  PrivateRedis redis;
  std::shared_ptr<ConnectionPool> pool;
};

Call click(std::string_view buyer, std::string_view request) {
  return {kSale, kShoe, BuyerId{buyer}, RequestId{request}};
}
OrderKey order(std::string_view buyer, std::string_view request) { return {kSale, BuyerId{buyer}, RequestId{request}}; }

Outcome outcome_of(const Result<Answer>& answer) {
  REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
  return answer->outcome;
}

}  // namespace

TEST_SUITE("engine/order_life") {
  TEST_CASE("a hold is confirmed once, and every later call hears of it with the same order") {
    Shop shop;
    StockGate gate(shop.pool);
    const auto won = gate.reserve(click("ann", "r1"));
    REQUIRE(won);
    CHECK(won->hold_until_ms > 0);
    const auto confirmed = gate.confirm(order("ann", "r1"));
    CHECK(outcome_of(confirmed) == Outcome::confirmed);
    CHECK(confirmed->order == won->order);
    CHECK(confirmed->holds_stock());
    for (const auto& later : {gate.confirm(order("ann", "r1")), gate.release(order("ann", "r1")),
                              gate.reserve(click("ann", "r1")), gate.resolve(order("ann", "r1"))}) {
      CHECK(outcome_of(later) == Outcome::already_confirmed);
      CHECK(later->order == won->order);
    }
  }

  TEST_CASE("a released order holds nothing, and cannot be confirmed any more") {
    Shop shop;
    StockGate gate(shop.pool);
    REQUIRE(gate.reserve(click("ann", "r1")));
    const auto released = gate.release(order("ann", "r1"));
    CHECK(outcome_of(released) == Outcome::released);
    CHECK_FALSE(released->holds_stock());
    for (const auto& later : {gate.confirm(order("ann", "r1")), gate.release(order("ann", "r1")),
                              gate.reserve(click("ann", "r1")), gate.resolve(order("ann", "r1"))})
      CHECK(outcome_of(later) == Outcome::already_released);
    CHECK(shop.meta("booked:1") == "1");  // there is no database that knows of it
  }

  TEST_CASE("after its deadline a hold is expired for everybody, and the buyer may ask anew") {
    Shop shop(milliseconds{1});
    StockGate gate(shop.pool);
    REQUIRE(gate.reserve(click("ann", "r1")));
    std::this_thread::sleep_for(milliseconds{10});
    for (const auto& later : {gate.confirm(order("ann", "r1")), gate.release(order("ann", "r1")),
                              gate.reserve(click("ann", "r1")), gate.resolve(order("ann", "r1"))})
      CHECK(outcome_of(later) == Outcome::expired);
    CHECK(outcome_of(gate.reserve(click("ann", "r2"))) == Outcome::reserved);
  }

  TEST_CASE("what is not this buyer's order in this sale is not reserved, and an unknown sale not found") {
    Shop shop;
    StockGate gate(shop.pool);
    REQUIRE(gate.reserve(click("ann", "r1")));
    make_raw_sale(*shop.pool, Sale{SaleId{"winter"}}.item(kShoe, 100, 10));
    const auto entries = [&](const char* sale) {
      return shop.redis.command({"XLEN", "fs:{" + std::string(sale) + "}:journal"}).integer;
    };
    const auto ours = entries("spring"), theirs = entries("winter");
    for (const auto verb : {&StockGate::confirm, &StockGate::release}) {
      CHECK(outcome_of((gate.*verb)({SaleId{"winter"}, BuyerId{"ann"}, RequestId{"r1"}}, {})) == Outcome::not_reserved);
      CHECK(outcome_of((gate.*verb)(order("ann", "r2"), {})) == Outcome::not_reserved);
      CHECK(outcome_of((gate.*verb)(order("bob", "r1"), {})) == Outcome::not_reserved);
      const auto other = (gate.*verb)({SaleId{"autumn"}, BuyerId{"ann"}, RequestId{"r1"}}, {});
      REQUIRE_FALSE(other);
      CHECK(other.error().code == ErrorCode::not_found);
      const auto bad = (gate.*verb)(order("a b", "r1"), {});
      REQUIRE_FALSE(bad);
      CHECK(bad.error().code == ErrorCode::invalid_argument);
    }
    CHECK(outcome_of(gate.resolve(order("ann", "r1"))) == Outcome::already_reserved);
    CHECK(entries("spring") == ours);
    CHECK(entries("winter") == theirs);
  }

  TEST_CASE("a sale in list mode knows no confirm and release, and says so") {
    Shop shop;
    Sale list = Sale{SaleId{"seed"}}.item(kShoe, 1, 1);
    list.queue = QueueMode::list;
    make_raw_sale(*shop.pool, list);
    StockGate gate(shop.pool);
    REQUIRE(gate.reserve({SaleId{"seed"}, kShoe, BuyerId{"ann"}, RequestId{"r1"}}));
    for (const auto verb : {&StockGate::confirm, &StockGate::release}) {
      const auto answer = (gate.*verb)({SaleId{"seed"}, BuyerId{"ann"}, RequestId{"r1"}}, {});
      REQUIRE_FALSE(answer);
      CHECK(answer.error().code == ErrorCode::unsupported);
    }
  }

  TEST_CASE("confirm and release of one order that race from many threads: one wins, the others hear which") {
    Shop shop;
    StockGate gate(shop.pool, {milliseconds{20'000}});
    for (int round = 0; round < 20; ++round) {
      const std::string request = "r" + std::to_string(round), buyer = "b" + std::to_string(round);
      REQUIRE(gate.reserve(click(buyer, request)));
      std::atomic<int> confirmed{0}, released{0}, already{0};
      std::vector<std::thread> threads;
      for (int i = 0; i < 8; ++i)
        threads.emplace_back([&, i] {
          const auto answer = i % 2 == 0 ? gate.confirm(order(buyer, request)) : gate.release(order(buyer, request));
          if (!answer) return;
          if (answer->outcome == Outcome::confirmed) ++confirmed;
          if (answer->outcome == Outcome::released) ++released;
          if (answer->outcome == Outcome::already_confirmed || answer->outcome == Outcome::already_released) ++already;
        });
      for (auto& thread : threads) thread.join();
      CHECK(confirmed + released == 1);
      CHECK(already == 7);
    }
  }

  TEST_CASE("submitted verbs of one lane are decided in their order, whatever they are") {
    Shop shop;
    GateOptions options{milliseconds{20'000}};
    options.lanes = 1;
    StockGate gate(shop.pool, options);
    CompletionQueue queue;
    std::vector<Call> calls;
    for (const Verb verb : {Verb::confirm, Verb::reserve, Verb::confirm, Verb::release, Verb::resolve}) {
      calls.push_back(click("ann", "r1"));
      calls.back().verb = verb;
      calls.back().tag = calls.size();
    }
    REQUIRE(gate.submit(calls.data(), calls.size(), queue).value() == calls.size());
    std::vector<Outcome> outcomes(calls.size());
    for (std::size_t have = 0; have < calls.size();) {
      Event events[8];
      const std::size_t count = queue.drain(events, 8, milliseconds{1000});
      for (std::size_t i = 0; i < count; ++i) outcomes[events[i].tag - 1] = events[i].outcome();
      have += count;
    }
    CHECK(outcomes == std::vector<Outcome>{Outcome::not_reserved, Outcome::reserved, Outcome::confirmed,
                                           Outcome::already_confirmed, Outcome::already_confirmed});
  }

  TEST_CASE("while Redis refuses writes an order is looked up: what is decided is told, the rest refused") {
    Shop shop;
    StockGate gate(shop.pool);
    REQUIRE(gate.reserve(click("ann", "r1")));
    REQUIRE(gate.reserve(click("bob", "r1")));
    REQUIRE(gate.confirm(order("ann", "r1")));
    shop.redis.command({"CONFIG", "SET", "maxmemory", "1"});
    CHECK(outcome_of(gate.confirm(order("ann", "r1"))) == Outcome::already_confirmed);
    CHECK(outcome_of(gate.release(order("cid", "r1"))) == Outcome::not_reserved);
    const auto refused = gate.confirm(order("bob", "r1"));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == ErrorCode::refused);
    CHECK(refused.error().effect == Effect::none);
    shop.redis.command({"CONFIG", "SET", "maxmemory", "0"});
    CHECK(outcome_of(gate.confirm(order("bob", "r1"))) == Outcome::confirmed);
  }
}
