// Night after night, each from a seed of its own, until the time is over or an invariant is broken: see
// tests/faults/soak.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <random>

#include "faults/history/ledger.hpp"
#include "faults/history/nemeses.hpp"

namespace flashsale::history {
namespace {

struct Wanted {
  int minutes = 0;
  std::string ledger, only;
  std::uint64_t seed = 0;
};

/// A night with two to four of a group's nemeses, drawn by the seed.
Report soak_night(const Group& group, std::uint64_t seed) {
  Plan plan;
  plan.seed = seed;
  group.shape(plan);
  std::mt19937_64 random(seed);
  std::vector<Nemesis> which;
  const std::size_t count = 2 + random() % 3;
  for (std::size_t i = 0; i < count; ++i) which.push_back(group.nemeses[random() % group.nemeses.size()]);
  return run_night(group, plan, which);
}

/// A night that its own servers failed proves nothing, and says so.
Report night_or_failure(const Group& group, std::uint64_t seed) {
  try {
    return soak_night(group, seed);
  } catch (const std::exception& failure) {
    Report report;
    report.group = group.name;
    report.seed = seed;
    report.verdict.violations.push_back(fmt::format("the night failed: {}", failure.what()));
    return report;
  }
}

void show(const Report& report) {
  std::string faults;
  for (const Struck& struck : report.struck)
    faults += fmt::format("\n    {}: {}", struck.fault, struck.proof.empty() ? "did not bite" : struck.proof);
  fmt::print("{} (seed {}): {} s, {} calls, {} accepted, {} unknown, {} forgotten{}\n", report.group, report.seed,
             report.seconds, report.verdict.calls, report.verdict.accepted, report.verdict.unknown,
             report.verdict.forgotten, faults);
  for (const std::string& violation : report.verdict.violations) fmt::print("  VIOLATION {}\n", violation);
  std::fflush(stdout);
}

int soak(const Wanted& wanted) {
  const std::int64_t until = monotonic_ns() + std::int64_t{wanted.minutes} * 60'000'000'000;
  std::uint64_t seed = wanted.seed;
  for (std::size_t i = 0; i == 0 || monotonic_ns() < until; ++i) {
    const Group& next = wanted.only.empty() ? groups()[i % groups().size()] : group(wanted.only);
    const Report report = night_or_failure(next, seed++);
    show(report);
    if (!report.ran) {
      fmt::print("NOT RUN: {} need network and mount namespaces, that is: root\n", next.name);
      if (getuid() == 0) return 1;
      continue;
    }
    if (!wanted.ledger.empty()) append_to_ledger(wanted.ledger, report);
    if (!report.verdict.violations.empty()) return 1;
  }
  return 0;
}

}  // namespace
}  // namespace flashsale::history

int main(int argc, char** argv) {
  using namespace flashsale::history;
  CLI::App app("Sells under faults, with real processes, and judges what they saw");
  Wanted wanted;
  wanted.seed = std::random_device{}();
  std::string table;
  app.add_option("--minutes", wanted.minutes, "how long; the night under way is ended")->check(CLI::Range(0, 24 * 60));
  app.add_option("--ledger", wanted.ledger, "append one line of JSON a night to this file");
  app.add_option("--seed", wanted.seed, "of the first night; the next ones follow");
  app.add_option("--only", wanted.only, "one group of faults");
  app.add_option("--table", table, "run nothing; sum up this ledger");
  CLI11_PARSE(app, argc, argv);
  try {
    if (table.empty()) return soak(wanted);
    fmt::print("{}", table_of_ledger(table));
    return 0;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "{}\n", failure.what());
    return 2;
  }
}
