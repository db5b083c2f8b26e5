#include "engine/script_runner.hpp"

#include <doctest/doctest.h>

#include "engine/settle.hpp"
#include "support/private_redis.hpp"
#include "support/served_sale.hpp"

namespace flashsale::engine {
namespace {

/// A wire that answers a call with the replies to the call before, once.
class RepeatingPool : public ConnectionPool, private Connection {
 public:
  explicit RepeatingPool(test::PrivateRedis& server) : server_(server) {}
  Result<Lease> acquire(Role, std::uint16_t, Deadline) override {
    ++leases;
    return Lease(this, this);
  }
  void report(Connection*, Heard heard, std::string_view) override { broken += heard == Heard::broken; }
  void give_back(Connection*) override {}

  bool repeats = false;
  int leases = 0, broken = 0;

 private:
  RoundTrip roundtrip(const std::vector<Command>& commands, Deadline) override {
    RoundTrip trip;
    for (const Command& command : commands) trip.replies.push_back(server_.command(command));
    std::swap(trip.replies, before_);
    if (!repeats) trip.replies = before_;
    repeats = false;
    return trip;
  }

  test::PrivateRedis& server_;
  std::vector<Reply> before_;
};

TEST_CASE("a reply that was repeated on the way is not taken for another call's, also of plain commands") {
  test::PrivateRedis server;
  RepeatingPool pool(server);
  const Deadline soon = Deadline::clock::now() + milliseconds{10'000};
  const auto ask = [&](std::string_view text) {
    return run_commands(pool, Role::primary, "sale", {{"ECHO", text}}, soon);
  };
  REQUIRE(ask("first")->at(0).text == "first");
  pool.repeats = true;
  const auto second = ask("second");
  REQUIRE(second);
  REQUIRE(second->size() == 1);
  CHECK(second->at(0).text == "second");
  CHECK(pool.leases == 3);
  CHECK(pool.broken == 1);
}

TEST_CASE("a node whose clock was set ahead is asked in its own time, also on a connection from before") {
  test::PrivateRedis server;
  test::ServedSale sale(server);
  const Deadline soon = Deadline::clock::now() + milliseconds{10'000};
  REQUIRE(settle(*sale.pool, *sale.sink, sale.id, soon));
  {
    auto lease = sale.pool->acquire(Role::primary, 0, soon);
    REQUIRE(lease);
    (*lease)->clock = {true, (*lease)->clock.ahead_ms - 3'600'000};
  }
  // Whatever connection it is lent: by then no other is idle.
  CHECK(settle(*sale.pool, *sale.sink, sale.id, soon));
}

}  // namespace
}  // namespace flashsale::engine
