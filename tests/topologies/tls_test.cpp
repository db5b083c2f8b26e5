// Sales over TLS in every topology, and whom a client believes.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "core/keyspace.hpp"
#include "engine/script_runner.hpp"
#include "flashsale/redis.hpp"
#include "support/by_deadline.hpp"
#include "support/topologies.hpp"
#include "topologies/shop.hpp"

namespace flashsale::test {
namespace {

Deadline in(int ms) { return Deadline::clock::now() + milliseconds{ms}; }

/// Two nodes that share a cluster's slots: the certificate of the second is not for its address.
struct StrangeCluster {
  StrangeCluster() {
    named.command({"CLUSTER", "ADDSLOTSRANGE", "0", "8191"});
    strange.command({"CLUSTER", "ADDSLOTSRANGE", "8192", "16383"});
    named.command({"CLUSTER", "MEET", "127.0.0.1", std::to_string(strange.port())});
    for (PrivateRedis* const node : {&named, &strange})
      REQUIRE(eventually(
          [&] {
            return node->command({"CLUSTER", "SLOTS"}).elements.size() == 2 &&
                   node->command({"CLUSTER", "INFO"}).text.find("cluster_state:ok") != std::string::npos;
          },
          milliseconds{30'000}));
  }
  std::vector<std::string> arguments(const char* names) {
    auto all = tls_arguments(authority, authority.issue(names));
    all.insert(all.end(), {"--cluster-enabled", "yes"});
    return all;
  }
  std::string url() const { return fmt::format("rediss+cluster://{}?tls_ca={}", address_of(named), authority.file()); }

  Authority authority;
  PrivateRedis named{arguments("DNS:redis.shop,IP:127.0.0.1"), Tcp::tls};
  PrivateRedis strange{arguments("DNS:redis.shop"), Tcp::tls};
};

/// It is refused for its certificate, by its name.
void check_refused(const Error& error, const PrivateRedis& node) {
  CAPTURE(error.detail);
  CHECK(error.code == ErrorCode::refused);
  CHECK(error.effect == Effect::none);
  CHECK(error.detail.find("the certificate of " + address_of(node)) != std::string::npos);
  CHECK(error.detail.find("IP address mismatch") != std::string::npos);
}

TEST_CASE("a node that a cluster names is verified as well: with the certificate of another host it is refused") {
  StrangeCluster cluster;
  auto pool = make_pool(cluster.url()).value();
  CHECK(pool->acquire(Role::primary, 0, in(30'000)));
  const auto refused =
      by_deadline(milliseconds{2000}, [&](Deadline by) { return pool->acquire(Role::primary, 16'000, by); });
  REQUIRE_FALSE(refused);
  check_refused(refused.error(), cluster.strange);

  auto by_name = make_pool(cluster.url() + "&tls_name=redis.shop").value();
  CHECK(by_name->acquire(Role::primary, 0, in(30'000)));
  CHECK(by_name->acquire(Role::primary, 16'000, in(30'000)));
}

TEST_CASE("a node that an ASK or a MOVED names is verified as well") {
  StrangeCluster cluster;
  const std::string slot = std::to_string(core::slot_of("sale-0"));
  REQUIRE(core::slot_of("sale-0") <= 8191);
  const std::string named = ClusterSetup::id_of(cluster.named), strange = ClusterSetup::id_of(cluster.strange);
  const auto ask = [&](ConnectionPool& pool, int ms) {
    return by_deadline(milliseconds{ms}, [&](Deadline by) {
      return engine::run_script(pool, "sale-0", {"beat", {"{sale-0}"}, {"", "me"}, -1, 0}, by);
    });
  };
  auto pool = make_pool(cluster.url()).value();
  auto by_name = make_pool(cluster.url() + "&tls_name=redis.shop").value();
  REQUIRE(ask(*pool, 30'000));
  REQUIRE(ask(*by_name, 30'000));

  cluster.named.command({"DEL", "{sale-0}"});  // an ASK is about keys that are not there
  cluster.strange.command({"CLUSTER", "SETSLOT", slot, "IMPORTING", named});
  cluster.named.command({"CLUSTER", "SETSLOT", slot, "MIGRATING", strange});
  CHECK(ask(*by_name, 30'000));
  auto refused = ask(*pool, 2000);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().effect == Effect::none);

  cluster.strange.command({"CLUSTER", "SETSLOT", slot, "NODE", strange});
  cluster.named.command({"CLUSTER", "SETSLOT", slot, "NODE", strange});
  CHECK(ask(*by_name, 30'000));
  refused = ask(*pool, 2000);
  REQUIRE_FALSE(refused);
  check_refused(refused.error(), cluster.strange);
}

TEST_CASE("a primary that a sentinel names is verified as well") {
  Authority authority;
  const auto good = tls_arguments(authority, authority.issue("IP:127.0.0.1"));
  PrivateRedis strange(tls_arguments(authority, authority.issue("DNS:redis.shop")), Tcp::tls);
  auto arguments = good;
  arguments.insert(arguments.begin(), "--sentinel");
  PrivateRedis sentinel(arguments, Tcp::tls, "", fmt::format("sentinel monitor shop 127.0.0.1 {} 1\n", strange.port()));
  auto pool =
      make_pool(fmt::format("rediss+sentinel://{}/shop?tls_ca={}", address_of(sentinel), authority.file())).value();
  const auto refused =
      by_deadline(milliseconds{2000}, [&](Deadline by) { return pool->acquire(Role::primary, 0, by); });
  REQUIRE_FALSE(refused);
  check_refused(refused.error(), strange);
}

TEST_CASE("a sale through sentinels over TLS outlives a failover by command, at both levels") {
  Authority authority;
  SentinelSetup setup(over_tls(authority));
  Shop shop(setup.url(), "spring", {Level::database, Level::replicas}, 2);
  shop.sell_on();
  setup.fail_over();
  shop.sell_on_at(Level::database);
  setup.wait_whole();
  shop.sell_on();
  shop.finish();
}

TEST_CASE("a sale in a cluster over TLS outlives a moved slot and a failover by command, at both levels") {
  Authority authority;
  ClusterSetup setup(over_tls(authority));
  const std::uint16_t slot = core::slot_of("spring");
  Shop shop(setup.url(), "spring", {Level::database, Level::replicas}, 1);
  shop.sell_on();
  setup.move_slot(slot);
  shop.sell_on();
  setup.fail_over(slot);
  shop.sell_on();
  shop.finish();
}

TEST_CASE("a sale over a static list and TLS outlives a failover by command, at both levels") {
  Authority authority;
  PairSetup pair(over_tls(authority));
  Shop shop(pair.url(), "spring", {Level::database, Level::replicas}, 1);
  shop.sell_on();
  pair.fail_over();
  shop.sell_on();
  shop.finish();
}

TEST_CASE("a sale over TLS outlives a restart of Redis, pauses, flushes and cut clients") {
  Authority authority;
  PrivateRedis redis(tls_arguments(authority, authority.issue("DNS:localhost")), Tcp::tls);
  Shop shop(fmt::format("rediss://localhost:{}?tls_ca={}", redis.port(), authority.file()), "spring",
            {Level::database});
  shop.sell_on();
  shop.outlive_small_faults(redis);
  redis.kill_now();
  redis.start();  // empty: the worker rebuilds the sale from the database
  shop.sell_on();
  shop.finish();
}

}  // namespace
}  // namespace flashsale::test
