// The wire between a gate and Redis, broken at every byte: what a caller hears is true, and a unit is sold once.
#include <doctest/doctest.h>

#include <string>

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

struct Line {
  Line() : proxy(redis.socket_path()) {
    direct = make_pool(redis.url()).value();
    make_raw_sale(*direct, Sale{kSale}.item(kShoe, 100'000, 100'000));
    PoolOptions quick;
    quick.reconnect_min = milliseconds{1};
    quick.reconnect_max = milliseconds{2};
    pool = make_pool(proxy.url(), quick).value();
  }
  std::int64_t booked() { return std::stoll(redis.command({"HGET", "fs:{spring}:meta", "booked:1"}).text); }
  std::int64_t journalled() {
    std::int64_t orders = 0;
    for (const Reply& entry : redis.command({"XRANGE", "fs:{spring}:journal", "-", "+"}).elements)
      if (entry.elements[1].elements[1].text.find(" reserve ") != std::string::npos)
        orders += static_cast<std::int64_t>(entry.elements[1].elements.size() / 2) - 2;  // but the header and the items
    return orders;
  }

  PrivateRedis redis;
  WireProxy proxy;
  std::shared_ptr<ConnectionPool> direct, pool;
};

Call buy(std::string_view request) {
  Call call{kSale, kShoe, BuyerId{"ann"}, RequestId{request}};
  call.timeout = milliseconds{5'000};
  return call;
}

// The conversation broken by `fault` at each of `bytes` places: each request wins exactly once all the same.
template <class Fault>
void break_at_every_byte(std::size_t bytes, Fault fault) {
  Line line;
  for (std::size_t n = 0; n < bytes; ++n) {
    CAPTURE(n);
    StockGate gate(line.pool);
    const std::string buyer = "buyer-" + std::to_string(n);
    Call call = buy("r");
    call.buyer = BuyerId{buyer};
    Call first = call;
    first.request = RequestId{"warm"};
    REQUIRE(gate.reserve(first));  // connected, terms and scripts known: the fault hits the batch itself

    fault(line.proxy, n);
    const auto answer = gate.reserve(call);
    line.proxy.pass();

    REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
    CHECK(answer->holds_stock());
    CHECK(line.booked() == static_cast<std::int64_t>(2 * (n + 1)));
  }
  CHECK(line.journalled() == line.booked());
}

}  // namespace

TEST_SUITE("faults/wire") {
  TEST_CASE("a request cut at any byte, sent again by the gate, sells one unit") {
    break_at_every_byte(320, [](WireProxy& proxy, std::size_t n) { proxy.cut_requests_after(n); });
  }

  TEST_CASE("a reply cut at any byte: the gate asks again, and one unit was sold") {
    break_at_every_byte(160, [](WireProxy& proxy, std::size_t n) { proxy.cut_replies_after(n); });
  }

  TEST_CASE("a duplicated reply is not taken for the next batch's answer") {
    Line line;
    StockGate gate(line.pool);
    REQUIRE(gate.reserve(buy("warm")));
    line.proxy.duplicate_next_reply();
    const auto first = gate.reserve(buy("r1"));
    const auto second = gate.reserve(buy("r2"));
    REQUIRE(first);
    REQUIRE(second);
    CHECK(first->holds_stock());
    CHECK(second->holds_stock());
    CHECK(first->order != second->order);
    CHECK(line.booked() == 3);
  }

  TEST_CASE("garbage for a reply closes the connection, and the request is asked again") {
    for (const std::string garbage :
         {"$2147483647\r\n", "*-2\r\n", "?\r\n", "+OK\r\n", "*1\r\n$-1\r\n", ":9\r\n", "\xff\xfe"}) {
      CAPTURE(garbage);
      Line line;
      StockGate gate(line.pool);
      REQUIRE(gate.reserve(buy("warm")));
      line.proxy.replace_next_reply(garbage);
      const auto answer = gate.reserve(buy("r1"));
      REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
      CHECK(answer->holds_stock());
      CHECK(line.booked() == 2);
    }
  }

  TEST_CASE("an error that nobody knows is no proof that nothing was sold: its effect is unknown") {
    Line line;
    StockGate gate(line.pool);
    REQUIRE(gate.reserve(buy("warm")));
    line.proxy.replace_next_reply("-ERR upstream failure\r\n");
    const auto unknown = gate.reserve(buy("r1"));
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ErrorCode::protocol);
    CHECK(unknown.error().effect == Effect::unknown);
    CHECK(line.booked() == 2);
    CHECK(gate.reserve(buy("r1"))->outcome == Outcome::already_reserved);
    CHECK(line.booked() == 2);
  }

  TEST_CASE("byte by byte is slow, but nothing else") {
    Line line;
    StockGate gate(line.pool);
    line.proxy.split_bytes();
    const auto answer = gate.reserve(buy("r1"));
    REQUIRE(answer);
    CHECK(answer->outcome == Outcome::reserved);
  }

  TEST_CASE("a stalled reply ends by the deadline as unknown; asked again, the same order is heard") {
    Line line;
    StockGate gate(line.pool);
    REQUIRE(gate.reserve(buy("warm")));
    line.proxy.stall();
    Call call = buy("r1");
    call.timeout = milliseconds{80};
    const auto before = std::chrono::steady_clock::now();
    const auto unknown = gate.reserve(call);
    CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(5));
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == ErrorCode::timed_out);
    CHECK(unknown.error().effect == Effect::unknown);
    line.proxy.pass();
    const auto answer = gate.reserve(buy("r1"));
    REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
    CHECK(answer->holds_stock());
    CHECK(line.booked() == 2);
  }

  TEST_CASE("a copy that stalls past its caller's deadline does not win, and resolve's `no` is final") {
    Line line;
    StockGate gate(line.pool);
    REQUIRE(gate.reserve(buy("warm")));
    line.proxy.stall();
    Call call = buy("r1");
    call.timeout = milliseconds{50};
    REQUIRE_FALSE(gate.reserve(call));
    StockGate direct(line.direct);
    const auto until = std::chrono::steady_clock::now() + milliseconds{60};
    CHECK(eventually([&] { return std::chrono::steady_clock::now() > until; }));
    line.proxy.pass();  // the copy arrives now, too late

    const auto answer = gate.resolve({kSale, BuyerId{"ann"}, RequestId{"r1"}}, {milliseconds{5'000}});
    REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
    CHECK(answer->outcome == Outcome::not_reserved);
    CHECK(direct.resolve({kSale, BuyerId{"ann"}, RequestId{"r1"}})->outcome == Outcome::not_reserved);
    CHECK(line.booked() == 1);
  }

  TEST_CASE("Redis gone in mid-sale and back with its data is paused by the fence, not oversold") {
    PrivateRedis redis({"--appendonly", "yes", "--appendfsync", "always"});
    auto pool = make_pool(redis.url()).value();
    make_raw_sale(*pool, Sale{kSale}.item(kShoe, 10, 10));
    StockGate gate(pool);
    REQUIRE(gate.reserve(buy("r1"))->outcome == Outcome::reserved);
    redis.kill_now();
    Call call = buy("r2");
    call.timeout = milliseconds{50};
    REQUIRE_FALSE(gate.reserve(call));
    redis.start();
    const auto answer = gate.reserve(buy("r3"));
    REQUIRE(answer);
    CHECK(answer->outcome == Outcome::paused);
    CHECK(answer->reason == PauseReason::fenced);
  }
}
