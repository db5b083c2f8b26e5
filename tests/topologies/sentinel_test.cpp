#include <doctest/doctest.h>

#include "flashsale/redis.hpp"
#include "support/topologies.hpp"
#include "topologies/shop.hpp"

namespace flashsale::test {
namespace {

/// Waits until the sentinels name another server than `old`, and that one is a primary.
void await_successor(SentinelSetup& setup, const PrivateRedis& old) {
  const bool moved = eventually(
      [&] {
        const Reply named = setup.sentinels[1]->command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"});
        return named.elements.at(1).text != std::to_string(old.port());
      },
      milliseconds{60'000});
  REQUIRE(moved);
  setup.primary();
}

TEST_CASE("a sale through sentinels outlives kills, pauses, failovers, flushes and cut clients") {
  SentinelSetup setup;
  Shop shop(setup.url(), "spring", Level::database);
  shop.sell_on();

  shop.sell_through_flush_and_cut(setup.primary());

  // The first of the URL is dead from here on.
  setup.sentinels[0]->kill_now();
  PrivateRedis& first = setup.primary();
  REQUIRE(eventually(
      [&] {
        return setup.sentinels[1]->command({"SENTINEL", "FAILOVER", "shop"}).type != Reply::Type::error;
      },
      milliseconds{60'000}));
  await_successor(setup, first);
  shop.sell_on();
  setup.wait_whole();

  PrivateRedis& second = setup.primary();
  second.pause();
  await_successor(setup, second);
  shop.sell_on();
  second.resume();  // it comes back and still takes itself for the primary
  shop.sell_on();
  setup.wait_whole();

  PrivateRedis& third = setup.primary();
  third.kill_now();
  await_successor(setup, third);
  shop.sell_on();
  shop.finish();
}

// The sale's field says 2: while one server is missing every answer is pending, so whoever is promoted has what was
// told.
TEST_CASE("what was answered at level replicas through sentinels outlives a failover and a killed primary") {
  SentinelSetup setup;
  Shop shop(setup.url(), "spring", Level::replicas, 2);
  shop.sell_on();
  PrivateRedis& first = setup.primary();
  REQUIRE(eventually(
      [&] {
        return setup.sentinels[0]->command({"SENTINEL", "FAILOVER", "shop"}).type != Reply::Type::error;
      },
      milliseconds{60'000}));
  await_successor(setup, first);
  setup.wait_whole();
  shop.sell_on();
  PrivateRedis& second = setup.primary();
  second.kill_now();
  await_successor(setup, second);
  second.start();  // the sentinels make it a replica of the new one
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
  const auto none = make_pool(url).value()->acquire(Role::primary, 0, Deadline::clock::now() + milliseconds{500});
  REQUIRE_FALSE(none);
  CHECK(none.error().detail.find("no primary called shoes") != std::string::npos);
}

}  // namespace
}  // namespace flashsale::test
