#include <doctest/doctest.h>

#include "flashsale/redis.hpp"
#include "support/by_deadline.hpp"
#include "support/topologies.hpp"
#include "topologies/shop.hpp"

namespace flashsale::test {
namespace {

// The sale's field says 2: while one server is missing every answer at level replicas is pending, so whoever is
// promoted has what was told.
TEST_CASE("a sale through sentinels outlives kills, pauses, failovers, flushes and cut clients, at both levels") {
  SentinelSetup setup;
  Shop shop(setup.url(), "spring", {Level::database, Level::replicas}, 2);
  shop.sell_on();
  shop.outlive_small_faults(setup.primary());

  // The first of the URL is dead from here on.
  setup.sentinels[0]->kill_now();
  setup.fail_over();
  shop.sell_on_at(Level::database);
  setup.wait_whole();
  shop.sell_on();

  PrivateRedis& paused = setup.primary();
  paused.pause();
  setup.await_successor(paused);
  shop.sell_on_at(Level::database);
  paused.resume();  // it comes back and still takes itself for the primary
  shop.sell_on();
  setup.wait_whole();

  PrivateRedis& killed = setup.primary();
  killed.kill_now();
  setup.await_successor(killed);
  shop.sell_on_at(Level::database);
  killed.start();  // the sentinels make it a replica of the new one
  setup.wait_whole();
  shop.sell_on();
  shop.finish();
}

TEST_CASE("reads go to the replicas that the sentinels know, and to none that is down") {
  SentinelSetup setup;
  auto pool = make_pool(setup.url()).value();
  const auto port_of_lease = [&](Role role) {
    auto lease = pool->acquire(role, 0, Deadline::clock::now() + milliseconds{20'000});
    REQUIRE(lease);
    return (*lease)
        ->roundtrip({{"CONFIG", "GET", "port"}}, Deadline::clock::now() + milliseconds{20'000})
        .replies.at(0)
        .elements.at(1)
        .text;
  };
  PrivateRedis& primary = setup.primary();
  CHECK(port_of_lease(Role::primary) == std::to_string(primary.port()));
  CHECK(eventually([&] { return port_of_lease(Role::replica) != std::to_string(primary.port()); }));
  for (const auto& server : setup.servers)
    if (server.get() != &primary) server->kill_now();
  CHECK(eventually([&] { return port_of_lease(Role::replica) == std::to_string(primary.port()); }));
}

TEST_CASE("before a reconcile a majority of the sentinels must name the same primary") {
  SentinelSetup setup;
  auto pool = make_pool(setup.url()).value();
  const auto soon = [] { return Deadline::clock::now() + milliseconds{3000}; };
  CHECK(pool->confirm_primary(0, soon()));
  setup.sentinels[0]->kill_now();
  CHECK(pool->confirm_primary(0, soon()));
  setup.sentinels[2]->kill_now();
  const auto minority = pool->confirm_primary(0, soon());
  REQUIRE_FALSE(minority);
  CHECK(minority.error().code == ErrorCode::disconnected);
  CHECK(minority.error().detail.find("2 of 3 must name the same primary") != std::string::npos);
}

TEST_CASE("a name that the sentinels do not know is told at the deadline") {
  SentinelSetup setup;
  std::string url = setup.url();
  url.replace(url.rfind('/') + 1, std::string::npos, "shoes");
  const auto none = by_deadline(milliseconds{500}, [&](Deadline deadline) {
    return make_pool(url).value()->acquire(Role::primary, 0, deadline);
  });
  REQUIRE_FALSE(none);
  CHECK(none.error().detail.find("no primary called shoes") != std::string::npos);
}

}  // namespace
}  // namespace flashsale::test
