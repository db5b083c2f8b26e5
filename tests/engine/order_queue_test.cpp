// Journals read and lists consumed, against a real Redis.
#include "flashsale/order_queue.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include "core/keyspace.hpp"
#include "flashsale/redis.hpp"
#include "support/private_redis.hpp"
#include "support/wire_proxy.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

const SaleId kSale{"spring"};
const BuyerId kAnn{"ann"}, kBob{"bob"};

struct Warehouse {
  Warehouse() : pool(make_pool(redis.url()).value()), queue(pool) {}

  void push(int from, int to) {
    for (int i = from; i <= to; ++i)
      redis.command({"LPUSH", keys.orders, fmt::format("1-{}.0 buyer-{} phone 1 r{} a  payload", i, i, i)});
  }
  std::int64_t length(const std::string& key) { return redis.command({"LLEN", key}).integer; }
  void last_beat_long_ago(const BuyerId& consumer) { redis.command({"ZADD", keys.consumers, "1", consumer.text()}); }
  Result<std::optional<TakenOrder>> take(const BuyerId& consumer, milliseconds wait = milliseconds{0}) const {
    return queue.take(kSale, consumer, wait, soon());
  }
  std::uint64_t take_seq(const BuyerId& consumer) const { return take(consumer).value().value().order.id.at.seq; }
  static Deadline soon() { return std::chrono::steady_clock::now() + std::chrono::seconds(30); }

  const core::Keys keys{kSale.text()};
  PrivateRedis redis;
  std::shared_ptr<ConnectionPool> pool;
  OrderQueue queue;
};

}  // namespace

TEST_CASE("read gives entries behind a position, oldest first, as many as asked for") {
  Warehouse house;
  for (const std::string id : {"1-0", "1-1", "1-2", "2-0"})
    house.redis.command(
        {"XADD", house.keys.journal, id, "h", "1 reserve n l 5 0", "i", "1 phone", "o", "ann 1 1 0 r1 3 x y"});
  const auto positions = [&](Position after, std::size_t count) {
    const auto entries = house.queue.read(kSale, after, count, Warehouse::soon()).value();
    std::string text;
    for (const auto& entry : entries) text += to_string(entry.at) + " ";
    return text;
  };
  CHECK(positions({0, 0}, 10) == "1-0 1-1 1-2 2-0 ");
  CHECK(positions({1, 0}, 2) == "1-1 1-2 ");
  CHECK(positions({1, 99}, 10) == "2-0 ");
  CHECK(positions({2, 0}, 10).empty());
  const auto entries = house.queue.read(kSale, {1, 1}, 1, Warehouse::soon()).value();
  CHECK(entries.at(0).orders.at(0).payload == "x y");
  CHECK(house.queue.read(SaleId{"none"}, {}, 1, Warehouse::soon()).value().empty());
}

TEST_CASE("read names an entry that does not decode and goes on") {
  Warehouse house;
  house.redis.command({"XADD", house.keys.journal, "1-0", "h", "nonsense"});
  house.redis.command({"XADD", house.keys.journal, "1-1", "h", "1 pause n l 5 0", "a", "paused 0 0"});
  const auto entries = house.queue.read(kSale, {}, 10, Warehouse::soon()).value();
  CHECK_FALSE(entries.at(0).defect.empty());
  CHECK(entries.at(1).kind == EntryKind::pause);
}

TEST_CASE("take gives the oldest order, decoded, and keeps it until ack") {
  Warehouse house;
  house.push(1, 2);
  const auto taken = house.take(kAnn).value().value();
  CHECK(to_string(taken.order.id) == "1-1.0");
  CHECK(taken.order.buyer == "buyer-1");
  CHECK(taken.order.payload == "a  payload");
  CHECK(house.length(house.keys.taken("ann")) == 1);
  CHECK(house.redis.command({"ZCARD", house.keys.consumers}).integer == 1);
  CHECK(house.queue.ack(kSale, kAnn, taken, Warehouse::soon()));
  CHECK(house.queue.ack(kSale, kAnn, taken, Warehouse::soon()));
  CHECK(house.length(house.keys.taken("ann")) == 0);
  CHECK(house.length(house.keys.orders) == 1);
}

TEST_CASE("take with nothing there waits as long as it was told and enters the consumer all the same") {
  Warehouse house;
  CHECK_FALSE(house.take(kAnn).value().has_value());
  CHECK_FALSE(house.take(kAnn, milliseconds{20}).value().has_value());
  CHECK(house.redis.command({"ZSCORE", house.keys.consumers, "ann"}).type == Reply::Type::text);
}

TEST_CASE("take ends at its deadline though it was told to wait longer") {
  Warehouse house;
  const auto deadline = std::chrono::steady_clock::now() + milliseconds{250};
  const auto taken = house.queue.take(kSale, kAnn, std::chrono::hours{1}, deadline);
  // On a machine that stalls, the reply itself may come too late.
  CHECK((taken ? !taken->has_value() : taken.error().code == ErrorCode::timed_out));
}

TEST_CASE("take gives what another client's element holds as a defect, not as an order") {
  Warehouse house;
  house.redis.command({"LPUSH", house.keys.orders, "hello"});
  const auto taken = house.take(kAnn).value().value();
  CHECK_FALSE(taken.defect.empty());
  CHECK(taken.element == "hello");
  CHECK(house.queue.ack(kSale, kAnn, taken, Warehouse::soon()));
  CHECK(house.length(house.keys.taken("ann")) == 0);
}

TEST_CASE("take whose reply is lost says unknown, and take_back gives the order to the next") {
  Warehouse house;
  WireProxy proxy(house.redis.socket_path());
  const OrderQueue queue(make_pool(proxy.url()).value());
  CHECK(queue.take(kSale, kAnn, milliseconds{0}, Warehouse::soon()));
  house.push(1, 2);
  proxy.cut_replies_after(0);
  const auto lost = queue.take(kSale, kAnn, milliseconds{0}, Warehouse::soon());
  REQUIRE_FALSE(lost);
  CHECK(lost.error().effect == Effect::unknown);
  CHECK(eventually([&] { return house.length(house.keys.taken("ann")) == 1; }));
  proxy.pass();
  CHECK(queue.take_back(kSale, kAnn, Warehouse::soon()).value() == 1);
  CHECK(house.take_seq(kBob) == 1);
}

TEST_CASE("take_back returns a consumer's own orders in the order of their taking") {
  Warehouse house;
  house.push(1, 3);
  CHECK(house.take_seq(kAnn) == 1);
  CHECK(house.take_seq(kAnn) == 2);
  CHECK(house.queue.take_back(kSale, kAnn, Warehouse::soon()).value() == 2);
  CHECK(house.redis.command({"ZCARD", house.keys.consumers}).integer == 0);
  CHECK(house.take_seq(kBob) == 1);
  CHECK(house.take_seq(kBob) == 2);
  CHECK(house.take_seq(kBob) == 3);
  CHECK(house.queue.take_back(kSale, kAnn, Warehouse::soon()).value() == 0);
}

TEST_CASE("take_back returns a list longer than one script call moves") {
  Warehouse house;
  house.redis.command({"EVAL", "for i = 1, 1201 do redis.call('LPUSH', KEYS[1], i) end", "1", house.keys.taken("ann")});
  CHECK(house.queue.take_back(kSale, kAnn, Warehouse::soon()).value() == 1201);
  CHECK(house.length(house.keys.orders) == 1201);
}

TEST_CASE("return_dead returns the orders of the silent and leaves those of the living") {
  Warehouse house;
  house.push(1, 4);
  CHECK(house.take_seq(kAnn) == 1);
  CHECK(house.take_seq(kBob) == 2);
  CHECK(house.queue.return_dead(kSale, std::chrono::hours{1}, Warehouse::soon()).value() == 0);
  house.last_beat_long_ago(kAnn);
  CHECK(house.queue.return_dead(kSale, std::chrono::hours{1}, Warehouse::soon()).value() == 1);
  CHECK(house.length(house.keys.taken("ann")) == 0);
  CHECK(house.length(house.keys.taken("bob")) == 1);
  CHECK(house.take_seq(kBob) == 1);
}

TEST_CASE("the queue names what is out of bounds") {
  Warehouse house;
  const auto code = [](const auto& result) {
    REQUIRE_FALSE(result);
    return result.error().code;
  };
  CHECK(code(house.queue.read(SaleId{"a b"}, {}, 1, Warehouse::soon())) == ErrorCode::invalid_argument);
  CHECK(code(house.queue.read(kSale, {}, 0, Warehouse::soon())) == ErrorCode::invalid_argument);
  CHECK(code(house.queue.read(kSale, {}, 10'001, Warehouse::soon())) == ErrorCode::invalid_argument);
  CHECK(code(house.take(BuyerId{""})) == ErrorCode::invalid_argument);
  CHECK(code(house.queue.return_dead(kSale, milliseconds{0}, Warehouse::soon())) == ErrorCode::invalid_argument);
  CHECK(code(house.queue.take_back(kSale, BuyerId{"a:{b}"}, Warehouse::soon())) == ErrorCode::invalid_argument);
}
