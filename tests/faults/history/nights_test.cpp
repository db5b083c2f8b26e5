// Real clients, workers, Redis servers and databases under every fault that we can make, judged by the history checker;
// and for each kind of fault a control night with a guard off, in which the checker must see the harm: else it would
// prove nothing that it sees none.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "core/keyspace.hpp"
#include "core/positions.hpp"
#include "faults/history/apart.hpp"
#include "faults/history/nemeses.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::history;

namespace {

std::uint64_t seed_of_this_run() {
  const char* const given = std::getenv("FLASHSALE_SEED");
  return given == nullptr ? 1 : std::strtoull(given, nullptr, 10);
}

std::string told(const Report& report) {
  std::string text = fmt::format("{}, seed {}: {} s, {} calls, {} accepted, {} unknown, {} forgotten", report.group,
                                 report.seed, report.seconds, report.verdict.calls, report.verdict.accepted,
                                 report.verdict.unknown, report.verdict.forgotten);
  for (const Struck& struck : report.struck) text += fmt::format("\n  {}: {}", struck.fault, struck.proof);
  for (const std::string& violation : report.verdict.violations) text += "\n  ! " + violation;
  return text;
}

/// Only root may lay networks and mount disks; who is no root is told so, and root that cannot fails.
bool was_run(const Report& report) {
  if (report.ran) return true;
  CHECK_MESSAGE(getuid() != 0, "root may not make namespaces here");
  MESSAGE("NOT RUN: " << std::string(report.group) << " need root");
  return false;
}

void survives(std::string_view name) {
  const Report report = run_night(group(name), seed_of_this_run());
  if (!was_run(report)) return;
  MESSAGE(told(report));
  CHECK(report.verdict.accepted > 50);
  for (const Struck& struck : report.struck) CHECK_MESSAGE(!struck.proof.empty(), "did not bite: " << struck.fault);
  CHECK(report.verdict.violations.empty());
}

struct Control {
  std::string_view group;
  Nemesis nemesis;
  const char* lie = "-";
  const char* plant = "";
  const char* fsync = "";  // of Redis, if not the group's own
};

/// A night of a group with its guard off: what the checker says of it.
Report control(const Control& wanted, std::uint64_t seed) {
  Plan plan;
  plan.seed = seed;
  group(wanted.group).shape(plan);
  plan.lie = wanted.lie;
  plan.plant = wanted.plant;
  if (*wanted.fsync != '\0') plan.fsync = wanted.fsync;
  plan.patience = milliseconds{3000};
  return run_night(group(wanted.group), plan, {wanted.nemesis});
}

/// On a loaded machine a night may pass whose fault harmed nobody, in which there is nothing to see: then there is
/// another one, for a minute or two. A checker that is blind stays so.
void is_seen(const Control& wanted, const std::vector<std::string>& invariants) {
  std::string nights;
  const auto until = Deadline::clock::now() + std::chrono::seconds(90);
  for (std::uint64_t seed = seed_of_this_run(); nights.empty() || Deadline::clock::now() < until; seed += 1000) {
    const Report report = control(wanted, seed);
    if (!was_run(report)) return;
    for (const std::string& invariant : invariants)
      if (report.verdict.has(invariant)) return;
    nights += told(report) + "\n";
  }
  FAIL_CHECK("the checker did not see it: " << nights);
}

Nemesis named(std::string_view group_name, std::string_view name) {
  for (const Nemesis& nemesis : group(group_name).nemeses)
    if (nemesis.name == name) return nemesis;
  throw std::runtime_error("no such nemesis");
}

/// So many entries more are written, while nobody watches.
bool sells_on(Stage& stage, std::int64_t entries) {
  const std::int64_t from = stage.seq(stage.primary());
  return stage.await([&] { return stage.seq(stage.primary()) > from + entries; });
}

void kill_workers(Stage& stage) {
  for (std::size_t i = 0; i < 2; ++i) stage.worker(i).kill_now();
}

void restart_workers(Stage& stage) {
  for (std::size_t i = 0; i < 2; ++i) stage.restart_worker(i);
}

std::string trim_unseen(Stage& stage) {
  kill_workers(stage);
  const bool sold = sells_on(stage, 50);
  restart_workers(stage);
  return sold && sells_on(stage, 50) ? "sold without a worker" : "";
}

std::string move_the_offset_alone(Stage& stage) {
  kill_workers(stage);
  const bool sold = sells_on(stage, 50);
  const std::string link = stage.meta("link");
  const auto at = core::to_position(stage.meta("epoch") + "-" + stage.meta("seq"));
  auto writing = stage.sink().begin(OrderSink::Access::write, test::soon());
  auto row = (*writing)->lock_sale(SaleId{"spring"});
  (*row)->watermark = *at;
  (*row)->link = link;
  const bool moved = (*writing)->put_sale(**row) && (*writing)->commit();
  restart_workers(stage);
  return sold && moved ? "the offset moved without its orders" : "";
}

std::string promote_behind_without_workers(Stage& stage) {
  kill_workers(stage);
  stage.link().stall();
  const bool ahead = sells_on(stage, 30);
  stage.primary().kill_now();
  stage.promote();
  for (std::size_t i = 0; i < 3; ++i) stage.restart_client(i);  // these have heard of nothing that the replica lacks
  const bool sold = sells_on(stage, 30);
  stage.link().pass();
  restart_workers(stage);
  return ahead && sold ? "sold on, on another history" : "";
}

std::string lose_without_workers(Stage& stage) {
  stage.night.forgot_primary = true;
  kill_workers(stage);
  stage.link().stall();
  const bool ahead = sells_on(stage, 30);
  test::WireProxy& frozen = stage.link();
  stage.primary().kill_now();
  stage.promote();
  frozen.pass();
  restart_workers(stage);
  return ahead ? "promoted without what nobody else had" : "";
}

std::string restart_without_workers(Stage& stage) {
  kill_workers(stage);
  const bool sold = sells_on(stage, 30);
  stage.primary().kill_now();
  stage.primary().start();
  restart_workers(stage);
  return sold ? "restarted before the database had it" : "";
}

using Servers = std::vector<std::unique_ptr<test::PrivateRedis>>;

/// Of a topology that fails over by itself: its replicas cannot log in at their primary any more, which goes on alone
/// until it is killed.
std::string lose_what_no_replica_has(Stage& stage, Servers& servers) {
  stage.night.forgot_primary = true;
  kill_workers(stage);
  test::PrivateRedis& old = stage.primary();
  for (auto& server : servers) server->command({"CONFIG", "SET", "masterauth", "wrong"});
  old.command({"CLIENT", "KILL", "TYPE", "replica"});
  const bool ahead = sells_on(stage, 30);
  old.kill_now();
  const bool promoted = &stage.primary() != &old;
  for (auto& server : servers)
    if (server->pid() > 0) server->command({"CONFIG", "SET", "masterauth", ""});
  restart_workers(stage);
  return ahead && promoted ? "promoted without what nobody else had" : "";
}

std::string lose_under_sentinels(Stage& stage) { return lose_what_no_replica_has(stage, stage.sentinels().servers); }
std::string lose_in_a_cluster(Stage& stage) { return lose_what_no_replica_has(stage, stage.cluster().nodes); }

std::string delete_buyers_without_workers(Stage& stage) {
  kill_workers(stage);
  stage.ask({"DEL", core::Keys("spring").buyers});
  const bool sold = sells_on(stage, 60);
  restart_workers(stage);
  return sold ? "sold on without its buyers" : "";
}

template <class Act>
void on_clients(Stage& stage, Act act) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(stage.plan.clients); ++i) act(stage.wire(i));
}

/// Again and again: what the clients ask is done, and nobody hears of it before the longest of their deadlines.
/// For longer than any call's deadline.
std::string lose_replies_for_long(Stage& stage) {
  const std::string clients = fmt::format("10.77.{}.1/32", stage.primary_number() + 1);
  const pid_t pid = stage.primary().pid();
  if (!run_ip("route add blackhole " + clients, pid)) return {};
  stage.pass(milliseconds{4000});
  return run_ip("route del blackhole " + clients, pid) ? "no reply came back" : "";
}

std::string swallow_replies(Stage& stage) {
  for (int times = 0; times < 10; ++times) {
    const std::int64_t from = stage.seq(stage.primary());
    on_clients(stage, [](test::WireProxy& wire) { wire.cut_replies_after(0); });
    const bool done = stage.await([&] { return stage.seq(stage.primary()) > from; });
    on_clients(stage, [](test::WireProxy& wire) { wire.stall(); });
    stage.pass(milliseconds{400});
    on_clients(stage, [](test::WireProxy& wire) { wire.pass(); });
    if (!done || !sells_on(stage, 3)) return "";
  }
  return "replies swallowed";
}

std::string forget_without_workers(Stage& stage) {
  stage.night.forgot_primary = stage.night.forgot_all = true;
  kill_workers(stage);
  const bool sold = sells_on(stage, 30);
  stage.ask({"FLUSHALL"});
  restart_workers(stage);
  return sold ? "flushed before the database had it" : "";
}

std::string forget_while_the_disk_is_full(Stage& stage) {
  stage.night.forgot_primary = stage.night.forgot_all = true;
  const std::string ballast = stage.dir("db-disk/ballast");
  for (std::ofstream file(ballast); file << std::string(1024, 'x') << std::flush;) continue;
  if (stage.plan.postgres) stage.await([&] { return stage.postgres().said("No space left on device") > 0; });
  // What there still was room for is waited for: only what the database has not got can be forgotten.
  const bool stood = stage.await([&] {
    const Position at = stage.watermark();
    return sells_on(stage, 30) && stage.watermark() <= at;
  });
  stage.ask({"FLUSHALL"});
  std::filesystem::remove(ballast);
  if (stage.plan.postgres && !stage.postgres().runs()) stage.postgres().start();
  return stood ? "flushed while the database's disk was full" : "";
}

}  // namespace

TEST_SUITE("faults/history") {
  TEST_CASE("clients, workers and reconciles killed and stopped anywhere break no promise") { survives("processes"); }

  TEST_CASE("a Redis killed in mid-sale and back with all, or less, or nothing breaks no promise of the level") {
    for (const char* name :
         {"redis, synced always", "redis, synced every second", "redis, its log cut", "redis that keeps nothing"})
      survives(name);
  }

  TEST_CASE("failovers by command and by kill, frozen links and zombies break no promise of the level") {
    for (const char* name : {"failovers", "zombies"}) survives(name);
  }

  TEST_CASE("failovers of sentinels and of a cluster, and a slot that moves, break no promise of the level") {
    for (const char* name : {"sentinels", "zombies of sentinels", "cluster"}) survives(name);
  }

  TEST_CASE("a proxy that reads from a late replica, under faults of Redis and of processes, breaks no promise") {
    survives("behind a proxy");
  }

  TEST_CASE("networks that part, both ways and one way, break no promise of the level") {
    for (const char* name : {"partitions", "minorities"}) survives(name);
  }

  TEST_CASE("bytes late, in pieces, lost, doubled or replaced break no promise") { survives("wires"); }

  TEST_CASE("a Redis that refuses, is busy, asleep or cuts everybody off breaks no promise") { survives("servers"); }

  TEST_CASE("flushed or with a key deleted, Redis is rebuilt, and no promise of the level broken") {
    survives("deletions");
  }

  TEST_CASE("full disks break no promise") {
    for (const char* name : {"disks", "PostgreSQL's disk"}) survives(name);
  }

  TEST_CASE("a database killed, killed in COMMIT, or locked breaks no promise") { survives("databases"); }

  TEST_CASE("clocks an hour off, on either side, break no promise") { survives("clocks"); }
}

TEST_SUITE("faults/history/control") {
  TEST_CASE("a journal that is trimmed before the database has it is seen") {
    is_seen({"processes",
             {"sold without a worker", trim_unseen},
             "-",
             "settle|call('XTRIM', KEYS[3], 'MINID', id)|call('XTRIM', KEYS[3], 'MINID', A[1] .. '-' .. m[5])"},
            {"I2"});
  }

  TEST_CASE("an offset that moves without its orders is seen") {
    is_seen({"databases", {"the offset moved alone", move_the_offset_alone}}, {"I2"});
  }

  TEST_CASE("a promoted replica that sells on without a fence is seen") {
    is_seen({"failovers",
             {"promoted behind", promote_behind_without_workers},
             "-",
             "reserve|if not find(info, '\\nmaster_replid:' .. m[7] .. '\\r', 1, true) then "
             "return refuse('fenced') end|"},
            {"I4"});
  }

  TEST_CASE("an answer that claims the database before the database has it is seen, whatever makes Redis forget") {
    is_seen({"failovers", {"promoted behind", lose_without_workers}, "level"}, {"I2", "I6"});
    is_seen({"redis, its log cut", {"all forgotten", forget_without_workers}, "level"}, {"I2", "I6"});
    is_seen({"disks", {"all forgotten", forget_while_the_disk_is_full}, "level"}, {"I2", "I6"});
    is_seen({"PostgreSQL's disk", {"all forgotten", forget_while_the_disk_is_full}, "level"}, {"I2", "I6"});
    is_seen({"minorities", named("minorities", "primary in the minority"), "level"}, {"I2", "I6"});
    is_seen({"zombies", {"promoted behind", lose_without_workers}, "level"}, {"I2", "I6"});
    is_seen({"behind a proxy", {"promoted behind", lose_without_workers}, "level"}, {"I2", "I6"});
    is_seen({"redis that keeps nothing", {"all forgotten", forget_without_workers}, "level"}, {"I2", "I6"});
    for (const char* name : {"sentinels", "zombies of sentinels"})
      is_seen({name, {"promoted behind", lose_under_sentinels}, "level"}, {"I2", "I6"});
    is_seen({"cluster", {"promoted behind", lose_in_a_cluster}, "level"}, {"I2", "I6"});
  }

  TEST_CASE("a Redis that is said to sync what it tells, and does not, is seen") {
    for (const char* name : {"redis, synced always", "redis, synced every second"})
      is_seen({name, {"restarted", restart_without_workers}, "-", "", "none"}, {"I2"});
  }

  TEST_CASE("a retry that is a purchase of its own is seen") {
    is_seen({"wires", named("wires", "replies cut off"), "-",
             "reserve|if rec then s, e = find(rec, '\\n' .. request .. ' ', 1, true) end|"},
            {"I2", "I4"});
  }

  TEST_CASE("an unknown effect that is called none is seen") {
    is_seen({"servers", {"replies swallowed", swallow_replies}, "effect"}, {"I3"});
    is_seen({"partitions", {"replies lost", lose_replies_for_long}, "effect"}, {"I3"});
  }

  TEST_CASE("a sale whose buyers are gone and that knows no limit is seen") {
    is_seen({"deletions",
             {"buyers deleted", delete_buyers_without_workers},
             "-",
             "reserve|if guard ~= m[6] or m[8] ~= '' then|if m[8] ~= '' then"},
            {"I4", "I5"});
  }

  TEST_CASE("a sale whose time goes back with its Redis' clock is seen") {
    is_seen({"clocks", named("clocks", "Redis' clock an hour back"), "-",
             "reserve|if now < tonumber(m[11]) then now = tonumber(m[11]) end|"},
            {"I11"});
  }
}
