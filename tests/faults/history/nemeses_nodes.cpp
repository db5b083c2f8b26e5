// A primary and its replica: failovers, zombies, links that freeze, networks that part.
#include <fmt/format.h>

#include <algorithm>

#include "faults/history/apart.hpp"
#include "faults/history/nemeses.hpp"

namespace flashsale::history {
namespace {

void with_a_replica(Plan& plan) {
  plan.replica = true;
  plan.fsync = "everysec";
  plan.levels = "primary,replicas,database";
  plan.workers = 2;
}

std::string fail_over_by_command(Stage& stage) {
  const std::uint64_t epoch = stage.epoch();
  const std::string port = std::to_string(stage.replica().port());
  const auto begun = [&] {  // refused while the replica is on its way back to a primary that was killed
    return stage.ask({"FAILOVER", "TO", "127.0.0.1", port, "TIMEOUT", "20000"}) == "OK";
  };
  if (!stage.await(begun) || !stage.await([&] { return stage.role(stage.replica()) == "master"; })) return {};
  stage.promote();
  stage.reunite();
  const std::string risen = stage.await_epoch_after(epoch);
  return risen.empty() ? risen : fmt::format("the replica's role is master, {}", risen);
}

std::string fail_over_by_kill(Stage& stage) {
  stage.night.forgot_primary = true;
  const std::uint64_t epoch = stage.epoch();
  const pid_t pid = stage.primary().pid();
  stage.primary().kill_now();
  stage.promote();
  stage.reunite();
  const std::string risen = stage.await_epoch_after(epoch);
  return risen.empty() ? risen : fmt::format("pid {} died, {}", pid, risen);
}

/// The link carries nothing, and the primary sells on. How far it is ahead then; 0: it is not.
std::int64_t freeze_link(Stage& stage) {
  stage.link().stall();
  std::int64_t ahead = 0;
  stage.await([&] {
    ahead = stage.seq(stage.primary()) - stage.seq(stage.replica());
    return ahead > 20;
  });
  return ahead;
}

std::string fail_over_behind(Stage& stage) {
  stage.night.forgot_primary = true;
  const std::uint64_t epoch = stage.epoch();
  const std::int64_t ahead = freeze_link(stage);
  test::WireProxy& frozen = stage.link();
  stage.primary().kill_now();
  stage.promote();
  frozen.pass();
  stage.reunite();
  const std::string risen = stage.await_epoch_after(epoch);
  return risen.empty() || ahead <= 0 ? std::string() : fmt::format("promoted {} entries behind, {}", ahead, risen);
}

std::string freeze_replication(Stage& stage) {
  const std::int64_t ahead = freeze_link(stage);
  stage.pass(milliseconds(stage.roll(300)));
  stage.link().pass();
  return ahead > 0 ? fmt::format("the replica was {} entries behind", ahead) : std::string();
}

/// The replica is promoted, and those left behind do not hear of it for a while; then `mend`, and all are one again.
template <class Mend>
std::string sell_on_both_sides(Stage& stage, const std::vector<std::size_t>& left_behind, Mend mend) {
  stage.night.forgot_primary = stage.night.had_zombie = true;
  const std::uint64_t epoch = stage.epoch();
  test::PrivateRedis& old = stage.primary();
  std::int64_t last = stage.seq(old), sold = 0;
  std::string old_epoch;
  stage.promote(left_behind);
  for (int i = 0; i < 20 || (sold < 10 && i < 200 && left_behind.size() == 1); ++i) {
    stage.pass(milliseconds(10 + stage.roll(40)));
    const std::int64_t seq = stage.seq(old);
    sold += std::max<std::int64_t>(seq - last, 0);  // a worker may have reconciled it: it counts from 0 then
    last = seq;
    old_epoch = stage.meta(old, "epoch");
  }
  if (!mend()) return {};
  stage.reunite();
  const std::string risen = stage.await_epoch_after(epoch);
  if (risen.empty() || (sold == 0 && old_epoch == std::to_string(epoch))) return {};
  return fmt::format("the old primary sold {} entries more and was at epoch {}, {}", sold, old_epoch, risen);
}

std::string leave_a_zombie(Stage& stage) {
  return sell_on_both_sides(stage, {0}, [] { return true; });
}

/// A worker that knows no better reconciles onto the zombie, in turns with the one on the other side: what neither has
/// brought into the database by then is lost, at level `replicas` too.
std::string leave_a_zombie_with_a_worker(Stage& stage) {
  stage.night.forgot_all = true;
  return sell_on_both_sides(stage, {0, static_cast<std::size_t>(stage.plan.clients)}, [] { return true; });
}

/// Proof that `cut` holds: after what was under way, nobody sells anything for a while; and somebody does once it is
/// mended.
template <class Cut, class Mend>
std::string stand_still(Stage& stage, const char* what, Cut cut, Mend mend) {
  if (!cut()) return {};
  const auto time = milliseconds(200 + stage.roll(300));
  std::int64_t at = 0;
  const bool stood = stage.await([&] {
    at = stage.seq(stage.primary());
    stage.pass(time);
    return stage.seq(stage.primary()) == at;
  });
  if (!mend() || !stood) return {};
  const bool moves = stage.await([&] { return stage.seq(stage.primary()) > at; });
  return moves ? fmt::format("{}, seq stood at {} for {} ms", what, at, time.count()) : std::string();
}

std::string part_clients(Stage& stage) {
  const std::size_t node = stage.primary_number();
  return stand_still(
      stage, "the clients' link was down", [&] { return set_client_link(node, false); },
      [&] { return set_client_link(node, true); });
}

std::string part_one_way(Stage& stage) {
  const std::size_t node = stage.primary_number();
  const pid_t pid = stage.primary().pid();
  const std::string clients = fmt::format("10.77.{}.1/32", node + 1);
  return stand_still(
      stage, "no reply came back", [&] { return run_ip("route add blackhole " + clients, pid); },
      [&] { return run_ip("route del blackhole " + clients, pid); });
}

std::string part_replica(Stage& stage) {
  const pid_t pid = stage.primary().pid();
  if (!set_replication_link(pid, false)) return {};
  std::int64_t ahead = 0;
  stage.await([&] {
    ahead = stage.seq(stage.primary()) - stage.seq(stage.replica());
    return ahead > 20;
  });
  if (!set_replication_link(pid, true)) return {};
  stage.replica().wait_linked();
  return ahead > 0 ? fmt::format("link down, the replica was {} entries behind", ahead) : std::string();
}

std::string minority_primary(Stage& stage) {
  const pid_t pid = stage.primary().pid();
  if (!set_replication_link(pid, false)) return {};
  return sell_on_both_sides(stage, {0}, [&] { return set_replication_link(pid, true); });
}

void with_a_network(Plan& plan) {
  with_a_replica(plan);
  plan.own_network = true;
}

}  // namespace

Group failovers() {
  return {"failovers",
          [](Plan& plan) {
            with_a_replica(plan);
            plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{1500};
          },
          false,
          {{"failover by command", fail_over_by_command},
           {"failover by kill", fail_over_by_kill},
           {"failover, the replica behind", fail_over_behind},
           {"replication frozen", freeze_replication}}};
}

Group zombies() {
  return {"zombies",
          with_a_replica,
          false,
          {{"zombie primary", leave_a_zombie}, {"zombie primary with a worker", leave_a_zombie_with_a_worker}}};
}

Group partitions() {
  return {"partitions",
          with_a_network,
          true,
          {{"clients parted from the primary", part_clients},
           {"replies lost, requests not", part_one_way},
           {"replica parted", part_replica}}};
}

Group minorities() { return {"minorities", with_a_network, true, {{"primary in the minority", minority_primary}}}; }

}  // namespace flashsale::history
