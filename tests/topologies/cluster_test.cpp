#include <doctest/doctest.h>

#include <set>

#include "core/keyspace.hpp"
#include "flashsale/redis.hpp"
#include "support/topologies.hpp"
#include "topologies/shop.hpp"

namespace flashsale::test {
namespace {

Deadline in_a_while() { return Deadline::clock::now() + milliseconds{30'000}; }

/// The port of the node that a lease for `slot` leads to.
std::int64_t port_for(ConnectionPool& pool, Role role, std::uint16_t slot) {
  auto lease = pool.acquire(role, slot, in_a_while());
  if (!lease) FAIL(lease.error().detail);
  const RoundTrip trip = (*lease)->roundtrip({{"CONFIG", "GET", "port"}}, in_a_while());
  REQUIRE_FALSE(trip.error);
  return std::stoll(trip.replies.at(0).elements.at(1).text);
}

bool is_primary(PrivateRedis& node) { return node.command({"ROLE"}).elements.at(0).text == "master"; }

void await_promotion(PrivateRedis& node) {
  REQUIRE(eventually([&] { return is_primary(node); }, milliseconds{60'000}));
}

/// Takes the slot's primary out of service by `harm`, and returns it once its replica was promoted.
template <class Harm>
PrivateRedis& lose_primary(ClusterSetup& setup, std::uint16_t slot, Harm harm) {
  PrivateRedis& lost = setup.primary_of(slot);
  PrivateRedis& next = setup.replica_of(slot);
  harm(lost);
  await_promotion(next);
  return lost;
}

// The sale's field says 1, and each primary has one replica.
TEST_CASE(
    "a sale in a cluster outlives moved slots, failovers, pauses, kills, flushes and cut clients, at both levels") {
  ClusterSetup setup;
  const std::uint16_t slot = core::slot_of("spring");
  Shop shop(setup.url(), "spring", {Level::database, Level::replicas}, 1);
  shop.sell_on();
  shop.outlive_small_faults(setup.primary_of(slot));
  setup.move_slot(slot);
  shop.sell_on();
  setup.fail_over(slot);
  shop.sell_on();

  PrivateRedis& killed = lose_primary(setup, slot, [](PrivateRedis& node) { node.kill_now(); });
  shop.sell_on_at(Level::database);
  killed.start();
  setup.wait_ok();
  shop.sell_on();

  PrivateRedis& paused = lose_primary(setup, slot, [](PrivateRedis& node) { node.pause(); });
  shop.sell_on_at(Level::database);
  paused.resume();  // it still takes itself for the primary, until the others tell it
  shop.sell_on();
  shop.finish();
}

TEST_CASE("one gate sells sales of every node, and reads go to the slots' replicas") {
  ClusterSetup setup;
  auto pool = make_pool(setup.url()).value();
  std::set<std::int64_t> primaries, replicas;
  for (int i = 0; i < 32; ++i) {
    const auto slot = core::slot_of("sale-" + std::to_string(i));
    primaries.insert(port_for(*pool, Role::primary, slot));
    CHECK(eventually(
        [&] {
          const auto port = port_for(*pool, Role::replica, slot);
          replicas.insert(port);
          return port != port_for(*pool, Role::primary, slot);
        },
        milliseconds{30'000}));
  }
  CHECK(primaries.size() == 3);

  SaleController controller(pool);
  StockGate gate(pool);
  for (int i = 0; i < 6; ++i) {
    const std::string sale = "sale-" + std::to_string(i);
    Sale wanted{SaleId{sale}};
    wanted.item(ItemId{"shoe"}, 3, 1).queue = QueueMode::list;
    REQUIRE(controller.create(wanted));
    REQUIRE(controller.open(SaleId{sale}));
    Call call{SaleId{sale}, ItemId{"shoe"}, BuyerId{"ann"}, RequestId{"click"}};
    call.timeout = milliseconds{20'000};
    const auto answer = gate.reserve(call);
    REQUIRE(answer);
    CHECK(answer->outcome == Outcome::reserved);
  }
}

TEST_CASE("two nodes must agree before a reconcile, and a cluster that lost every known node is found by its seeds") {
  ClusterSetup setup;
  const std::uint16_t slot = core::slot_of("spring");
  auto pool = make_pool(setup.url()).value();
  CHECK(pool->confirm_primary(slot, in_a_while()));
  CHECK(port_for(*pool, Role::primary, slot) == setup.primary_of(slot).port());
  // All of them go and come back, as in a loss of power; the pool's connections and knowledge are void.
  for (const auto& node : setup.nodes) node->kill_now();
  const auto none = pool->acquire(Role::primary, slot, Deadline::clock::now() + milliseconds{200});
  CHECK_FALSE(none);
  for (const auto& node : setup.nodes) node->start();
  CHECK(port_for(*pool, Role::primary, slot) > 0);
  setup.wait_ok();
}

TEST_CASE("a node of a cluster under redis:// is told from a redirect") {
  ClusterSetup setup;
  const std::uint16_t slot = core::slot_of("spring");
  PrivateRedis& owner = setup.primary_of(slot);
  for (const auto& node : setup.nodes) {
    if (node.get() == &owner || node->command({"ROLE"}).elements.at(0).text != "master") continue;
    StockGate gate(make_pool(node->tcp_url()).value());
    Call call{SaleId{"spring"}, ItemId{"shoe"}, BuyerId{"ann"}, RequestId{"click"}};
    call.timeout = milliseconds{1000};
    const auto answer = gate.reserve(call);
    REQUIRE_FALSE(answer);
    CAPTURE(answer.error().detail);
    CHECK(answer.error().effect == Effect::none);
    CHECK(answer.error().detail.find("cluster") != std::string::npos);
    break;
  }
}

}  // namespace
}  // namespace flashsale::test
