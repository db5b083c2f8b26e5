// Clients, workers and a lone Redis, killed and stopped.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "core/keyspace.hpp"
#include "faults/history/nemeses.hpp"

namespace flashsale::history {
namespace {

constexpr const char* kWorkerPoints[] = {"worker.before_read",   "worker.after_read",    "worker.before_begin",
                                         "worker.after_insert",  "worker.before_commit", "worker.after_commit",
                                         "worker.before_settle", "worker.after_settle",  "worker.before_credit",
                                         "worker.after_credit",  "worker.after_credited"};
constexpr const char* kReconcilePoints[] = {
    "reconcile.after_claim", "reconcile.after_close",   "reconcile.after_drain",  "reconcile.after_clear",
    "reconcile.in_rebuild",  "reconcile.after_rebuild", "reconcile.after_reopen", "reconcile.after_finish"};

/// Worker 0, alone, until it dies there.
std::string die_at(Stage& stage, const char* point) {
  stage.worker(1).kill_now();
  stage.restart_worker(0, point);
  const pid_t pid = stage.worker(0).pid();
  const bool died = stage.worker(0).await_end(stage.plan.patience) && stage.worker(0).was_killed();
  stage.restart_worker(0);
  stage.restart_worker(1);
  return died ? fmt::format("pid {} died by SIGKILL at {}", pid, point) : std::string();
}

std::string kill_worker_at_a_point(Stage& stage) {
  return die_at(stage, kWorkerPoints[stage.roll(std::size(kWorkerPoints))]);
}

std::string kill_reconcile_at_a_point(Stage& stage) {
  const std::uint64_t epoch = stage.epoch();
  stage.worker(1).kill_now();  // nobody reconciles before the one who is to die
  stage.worker(0).kill_now();
  stage.ask({"HSET", core::Keys("spring").meta, "hist", "0123"});
  const std::string proof = die_at(stage, kReconcilePoints[stage.roll(std::size(kReconcilePoints))]);
  const std::string risen = stage.await_epoch_after(epoch);
  return proof.empty() || risen.empty() ? std::string() : fmt::format("{}, {}", proof, risen);
}

std::string kill_worker(Stage& stage) {
  const std::size_t i = stage.roll(2);
  const pid_t pid = stage.worker(i).pid();
  stage.worker(i).kill_now();
  const bool died = stage.worker(i).was_killed();
  stage.pass(milliseconds(stage.roll(200)));
  stage.restart_worker(i);
  return died ? fmt::format("pid {} died by SIGKILL", pid) : std::string();
}

std::string kill_client(Stage& stage) {
  const std::size_t i = stage.roll(static_cast<std::size_t>(stage.plan.clients));
  const pid_t pid = stage.client(i).pid();
  stage.client(i).kill_now();
  const bool died = stage.client(i).was_killed();
  stage.restart_client(i);
  return died ? fmt::format("pid {} died by SIGKILL", pid) : std::string();
}

std::string stop(Stage& stage, test::Process& process) {
  process.signal(SIGSTOP);
  const bool stopped = stage.await([&] { return process.is_stopped(); });
  const auto time = milliseconds(100 + stage.roll(600));
  stage.pass(time);
  process.signal(SIGCONT);
  return stopped ? fmt::format("pid {} stood still for {} ms", process.pid(), time.count()) : std::string();
}

std::string stop_worker(Stage& stage) { return stop(stage, stage.worker(stage.roll(2))); }
std::string stop_client(Stage& stage) { return stop(stage, stage.client(0)); }

std::string stop_redis(Stage& stage) {
  const pid_t pid = stage.primary().pid();
  const std::int64_t from = monotonic_ns();
  test::send_signal(pid, SIGSTOP);
  const bool stopped = stage.await([&] { return test::is_stopped(pid); });
  stage.pass(milliseconds(100 + stage.roll(600)));
  test::send_signal(pid, SIGCONT);
  return stopped ? fmt::format("pid {} stood still for {} ms", pid, (monotonic_ns() - from) / 1'000'000)
                 : std::string();
}

/// Kills Redis, lets `harm` at its files, starts it, and tells how far it came back. Nobody reaches it meanwhile, so
/// that what is looked at is what Redis itself has kept.
template <class Harm>
std::string restart_redis(Stage& stage, Harm harm) {
  for (std::size_t i = 0; i < stage.wires(); ++i) stage.wire(i).stall();
  const std::uint64_t epoch = stage.epoch();
  const std::int64_t before = stage.seq(stage.primary());
  const pid_t pid = stage.primary().pid();
  stage.primary().kill_now();
  harm();
  stage.primary().start();
  const std::int64_t after = stage.seq(stage.primary());
  for (std::size_t i = 0; i < stage.wires(); ++i) stage.wire(i).pass();
  const std::string risen = stage.await_epoch_after(epoch);
  return risen.empty() ? risen : fmt::format("pid {} died, seq {} came back as {}, {}", pid, before, after, risen);
}

std::string kill_redis(Stage& stage) {
  return restart_redis(stage, [] {});
}

std::string kill_redis_everysec(Stage& stage) {
  stage.night.forgot_primary = true;  // a write that an fsync held up
  return kill_redis(stage);
}

std::string cut_the_append_only_file(Stage& stage) {
  namespace fs = std::filesystem;
  std::uintmax_t cut = 0;
  stage.night.forgot_primary = stage.night.forgot_all = true;
  const std::string proof = restart_redis(stage, [&] {
    for (const auto& file : fs::directory_iterator(stage.primary().dir() + "/appendonlydir")) {
      if (file.path().string().find(".incr.aof") == std::string::npos) continue;
      cut = std::min<std::uintmax_t>(1 + stage.roll(30'000), file.file_size() / 2);
      fs::resize_file(file.path(), file.file_size() - cut);
    }
  });
  return proof.empty() || cut == 0 ? std::string() : fmt::format("{} bytes cut, {}", cut, proof);
}

std::string lose_everything(Stage& stage) {
  stage.night.forgot_primary = stage.night.forgot_all = true;
  const std::string proof = restart_redis(stage, [] {});
  return proof.find(" came back as 0,") == std::string::npos ? std::string() : proof;
}

}  // namespace

Group processes() {
  return {"processes",
          [](Plan& plan) {
            plan.postgres = plan.seed % 2 == 0;
            plan.hold = plan.seed % 3 == 0 ? milliseconds{0} : milliseconds{800};
          },
          false,
          {{"worker killed at a named point", kill_worker_at_a_point},
           {"reconcile killed at a named point", kill_reconcile_at_a_point},
           {"worker killed", kill_worker},
           {"worker stopped", stop_worker},
           {"client killed", kill_client},
           {"client stopped", stop_client}}};
}

Group redis_always() {
  return {"redis, synced always",
          [](Plan& plan) { plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{800}; },
          false,
          {{"Redis killed (always)", kill_redis}, {"Redis stopped", stop_redis}}};
}

Group redis_everysec() {
  return {"redis, synced every second",
          [](Plan& plan) { plan.fsync = "everysec"; },
          false,
          {{"Redis killed (everysec)", kill_redis_everysec}}};
}

Group redis_cut() {
  return {"redis, its log cut",
          [](Plan& plan) { plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{800}; },
          false,
          {{"Redis killed, its log's tail cut", cut_the_append_only_file}}};
}

Group redis_forgetful() {
  return {"redis that keeps nothing",
          [](Plan& plan) {
            plan.fsync = "none";
            plan.postgres = plan.seed % 2 == 0;
          },
          false,
          {{"Redis killed, nothing kept", lose_everything}}};
}

}  // namespace flashsale::history
