// The database: killed, killed in COMMIT, locked, and disks that fill up.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "faults/history/nemeses.hpp"
#include "support/served_sale.hpp"

namespace flashsale::history {
namespace {

std::string kill_database(Stage& stage) {
  const pid_t pid = stage.postgres().pid();
  stage.postgres().kill_now();
  stage.pass(milliseconds(100 + stage.roll(400)));
  stage.postgres().start();
  return fmt::format("postmaster {} died by SIGKILL, {} followed", pid, stage.postgres().pid());
}

/// A commit that is in the log and waits for a standby that there is not; how many there are.
std::string commits_waiting(Stage& stage) {
  return stage.postgres().execute("select count(*) from pg_stat_activity where wait_event = 'SyncRep'");
}

bool hold_commits(Stage& stage) {
  stage.postgres().execute("alter system set synchronous_standby_names = 'nobody'");
  stage.postgres().execute("select pg_reload_conf()");
  return stage.await([&] { return commits_waiting(stage) != "0"; });
}

void release_commits(Stage& stage) {
  stage.postgres().execute("alter system reset synchronous_standby_names");
  stage.postgres().execute("select pg_reload_conf()");
}

std::string kill_database_in_commit(Stage& stage) {
  const bool waits = hold_commits(stage);
  stage.postgres().execute("alter system reset synchronous_standby_names");
  stage.postgres().kill_now();
  stage.postgres().start();
  return waits ? "killed while a commit waited for its answer" : std::string();
}

std::string end_session_in_commit(Stage& stage) {
  const bool waits = hold_commits(stage);
  const std::string ended = stage.postgres().execute(
      "select count(pg_terminate_backend(pid)) from pg_stat_activity where wait_event = 'SyncRep'");
  release_commits(stage);
  return waits && ended != "0" ? fmt::format("{} sessions ended in COMMIT", ended) : std::string();
}

/// The database takes nothing while the sale goes on. Proof: Redis moved, the watermark did not; what there still was
/// room for is waited for.
template <class Shut, class Open>
std::string backlog(Stage& stage, Shut shut, Open open) {
  Position at = stage.watermark();
  if (!shut()) return {};
  std::int64_t sold = 0;
  const bool stood = stage.await([&] {
    at = std::max(at, stage.watermark());  // it may be that nothing can be read either
    const std::int64_t from = stage.seq(stage.primary());
    stage.await([&] { return stage.seq(stage.primary()) > from + 30; });
    sold = stage.seq(stage.primary()) - from;
    return sold > 0 && stage.watermark() <= at;
  });
  open();
  const bool goes_on = stage.await([&] { return stage.watermark() > at; });
  return stood && goes_on ? fmt::format("the watermark stood at {} while {} entries came", to_string(at), sold)
                          : std::string();
}

std::string lock_the_sale(Stage& stage) {
  std::unique_ptr<SinkTransaction> lock;
  return backlog(
      stage,
      [&] {
        auto begun = stage.sink().begin(OrderSink::Access::write, test::soon());
        if (!begun) return false;
        lock = std::move(*begun);
        return lock->lock_sale(SaleId{"spring"}).has_value();
      },
      [&] { lock.reset(); });
}

/// Fills a disk to its last byte; true if it said so.
bool fill(const std::string& path) {
  std::FILE* const file = std::fopen(path.c_str(), "we");
  if (file == nullptr) return false;
  std::setvbuf(file, nullptr, _IONBF, 0);
  bool is_full = false;
  for (std::size_t size = 65'536; size > 0; size /= 2) {
    const std::string piece(size, 'x');
    for (int i = 0; i < 10'000 && std::fwrite(piece.data(), 1, size, file) == size; ++i) continue;
    is_full = std::ferror(file) != 0;
    std::clearerr(file);
  }
  std::fclose(file);
  return is_full;
}

std::string fill_disk_of_redis(Stage& stage) {
  const std::string ballast = stage.dir("redis-disk/ballast");
  const std::int64_t before = stage.errors("MISCONF");
  const bool is_full = fill(ballast);
  stage.await([&] { return stage.errors("MISCONF") > before + 5; });
  const std::int64_t count = stage.errors("MISCONF") - before;
  std::filesystem::remove(ballast);
  const std::int64_t seq = stage.seq(stage.primary());
  const bool goes_on = stage.await([&] { return stage.seq(stage.primary()) > seq; });
  return is_full && goes_on && count > 0 ? fmt::format("no space left, {} times MISCONF", count) : std::string();
}

std::string fill_disk_of_database(Stage& stage) {
  const std::string ballast = stage.dir("db-disk/ballast");
  return backlog(
      stage, [&] { return fill(ballast); }, [&] { std::filesystem::remove(ballast); });
}

/// A statement that needs room fails; a commit whose log needs it ends the server, which cannot come back before there
/// is some.
std::string fill_disk_of_postgres(Stage& stage) {
  const std::string ballast = stage.dir("db-disk/ballast");
  const auto complaints = [&] { return stage.postgres().said("No space left on device"); };
  const std::size_t before = complaints();
  bool ended = false;
  const auto is_back = [&] {
    if (!stage.postgres().runs()) {
      stage.postgres().start();
      ended = true;
    }
    return stage.watermark() > Position{};
  };
  const std::string proof = backlog(
      stage, [&] { return fill(ballast) && stage.await([&] { return complaints() > before; }); },
      [&] {
        std::filesystem::remove(ballast);
        stage.await(is_back);
      });
  return proof.empty() ? proof
                       : fmt::format("no space left, {} times{}; {}", complaints() - before,
                                     ended ? ", and the server ended" : "", proof);
}

}  // namespace

Group databases() {
  return {"databases",
          [](Plan& plan) {
            plan.postgres = true;
            plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{800};
          },
          false,
          {{"database killed", kill_database},
           {"database killed in COMMIT", kill_database_in_commit},
           {"session ended in COMMIT", end_session_in_commit},
           {"sale locked in the database", lock_the_sale}}};
}

Group disks_of_postgres() {
  return {"PostgreSQL's disk",
          [](Plan& plan) {
            plan.small_disks = plan.postgres = true;
            plan.pace_ms = 20;
          },
          true,
          {{"PostgreSQL's disk full", fill_disk_of_postgres}}};
}

Group disks() {
  return {"disks",
          [](Plan& plan) {
            plan.small_disks = true;
            plan.fsync = "everysec";
            plan.pace_ms = 20;
          },
          true,
          {{"Redis' disk full", fill_disk_of_redis}, {"the database's disk full", fill_disk_of_database}}};
}

}  // namespace flashsale::history
