// Sentinels and a cluster, as they fail over by themselves and by command, and slots that move.
#include <fmt/format.h>

#include "core/keyspace.hpp"
#include "faults/history/nemeses.hpp"

namespace flashsale::history {
namespace {

void shape(Plan& plan, Topology topology) {
  plan.topology = topology;
  plan.levels = "primary,replicas,database";
  plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{1500};
}

/// As the sentinels name it, who ask no server that stands still.
std::uint16_t named_primary(Stage& stage) {
  if (stage.plan.topology != Topology::sentinels) return stage.primary().port();
  const Reply named = stage.sentinels().sentinel().command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"});
  return static_cast<std::uint16_t>(std::stoi(named.elements.at(1).text));
}

/// Another server than `old` is the primary, and the sale is open there under a later epoch.
std::string await_successor(Stage& stage, std::uint16_t old, std::uint64_t epoch) {
  if (!stage.await([&] { return named_primary(stage) != old; })) return {};
  const std::uint16_t now = stage.primary().port();
  const std::string risen = stage.await_epoch_after(epoch);
  return risen.empty() ? risen : fmt::format("primary :{} -> :{}, {}", old, now, risen);
}

template <class Act>
std::string fail_over(Stage& stage, Act act) {
  stage.night.forgot_primary = true;
  const std::uint64_t epoch = stage.epoch();
  test::PrivateRedis& old = stage.primary();
  if (!act(old)) return {};
  return await_successor(stage, old.port(), epoch);
}

/// Refused until the sentinels have seen the replicas' state since the last one.
bool order_failover(Stage& stage) {
  return stage.await([&] { return stage.ask(stage.sentinels().sentinel(), {"SENTINEL", "FAILOVER", "shop"}) == "OK"; });
}

std::string sentinel_by_command(Stage& stage) {
  const std::string proof = fail_over(stage, [&](test::PrivateRedis&) { return order_failover(stage); });
  stage.sentinels().wait_whole();
  return proof;
}

/// The first, which the clients ask first, or another: the two that are left fail over without it.
test::PrivateRedis& some_sentinel(Stage& stage) { return *stage.sentinels().sentinels[stage.roll(3)]; }

std::string kill_sentinel(Stage& stage) {
  test::PrivateRedis& sentinel = some_sentinel(stage);
  const pid_t pid = sentinel.pid();
  sentinel.kill_now();
  const std::string proof = fail_over(stage, [&](test::PrivateRedis&) { return order_failover(stage); });
  sentinel.start();
  stage.sentinels().wait_whole();
  return proof.empty() ? proof : fmt::format("sentinel {} died by SIGKILL, {}", pid, proof);
}

/// Awake again, it names the old primary until the others have told it.
std::string stop_sentinel(Stage& stage) {
  test::PrivateRedis& sentinel = some_sentinel(stage);
  sentinel.pause();
  const bool stopped = stage.await([&] { return test::is_stopped(sentinel.pid()); });
  const std::string proof = fail_over(stage, [&](test::PrivateRedis&) { return order_failover(stage); });
  sentinel.resume();
  stage.pass(milliseconds{500});
  stage.sentinels().wait_whole();
  return !stopped || proof.empty() ? std::string() : fmt::format("sentinel {} stood still, {}", sentinel.pid(), proof);
}

std::string sentinel_by_kill(Stage& stage) {
  test::PrivateRedis* killed = nullptr;
  const std::string proof = fail_over(stage, [&](test::PrivateRedis& old) {
    killed = &old;
    old.kill_now();
    return true;
  });
  if (proof.empty()) stage.night.forgot_all = true;  // nobody took over from it, and it comes back empty
  killed->start();
  stage.sentinels().wait_whole();
  return proof;
}

std::string sentinel_zombie(Stage& stage) {
  stage.night.had_zombie = true;
  test::PrivateRedis* stopped = nullptr;
  const std::string proof = fail_over(stage, [&](test::PrivateRedis& old) {
    stopped = &old;
    old.pause();
    return true;
  });
  stopped->resume();  // and still takes itself for the primary
  stage.pass(milliseconds{500});
  stage.sentinels().wait_whole();
  return proof;
}

std::uint16_t slot() { return core::slot_of("spring"); }

/// Asked again where it came to nothing: a replica gives up after some seconds.
std::string cluster_by_command(Stage& stage) {
  return fail_over(stage, [&](test::PrivateRedis& old) {
    return stage.await([&] {
      stage.ask(stage.cluster().replica_of(slot()), {"CLUSTER", "FAILOVER"});
      return test::eventually([&] { return &stage.primary() != &old; }, milliseconds{6000});
    });
  });
}

std::string cluster_by_kill(Stage& stage) {
  test::PrivateRedis* killed = nullptr;
  const std::string proof = fail_over(stage, [&](test::PrivateRedis& old) {
    killed = &old;
    stage.cluster().replica_of(slot());  // waits for one
    old.kill_now();
    return true;
  });
  if (proof.empty()) stage.night.forgot_all = true;  // nobody took over from it, and it comes back empty
  killed->start();
  stage.cluster().wait_ok();
  return proof;
}

/// Every key goes, one by one, while the sale goes on: nothing may be lost by it.
std::string move_slot(Stage& stage) {
  const std::uint64_t epoch = stage.epoch();
  const std::uint16_t old = stage.primary().port();
  stage.cluster().move_slot(slot());
  return await_successor(stage, old, epoch);
}

}  // namespace

Group sentinels() {
  return {"sentinels",
          [](Plan& plan) { shape(plan, Topology::sentinels); },
          false,
          {{"Sentinel failover by command", sentinel_by_command},
           {"Sentinel failover by kill", sentinel_by_kill},
           {"a sentinel killed", kill_sentinel},
           {"a sentinel stopped", stop_sentinel}}};
}

Group zombies_of_sentinels() {
  return {"zombies of sentinels",
          [](Plan& plan) { shape(plan, Topology::sentinels); },
          false,
          {{"Sentinel failover, a zombie left", sentinel_zombie}}};
}

Group clusters() {
  return {"cluster",
          [](Plan& plan) { shape(plan, Topology::cluster); },
          false,
          {{"cluster failover by command", cluster_by_command},
           {"cluster failover by kill", cluster_by_kill},
           {"slot moved", move_slot}}};
}

}  // namespace flashsale::history
