// Thousands of simulated nights, each out of one seed: what the library promises holds whatever the network, Redis, the
// database and the processes do. A failure prints its seed; FLASHSALE_SEED=N FLASHSALE_SEEDS=1 runs that one alone.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>

#include "simulation/world.hpp"

namespace flashsale::simulation {
namespace {

// A sanitizer looks at each step, so fewer nights do; the threads are one.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSeeds = 1'000;
#else
constexpr int kSeeds = 20'000;
#endif

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

TEST_CASE("no seed of the simulation oversells, loses, doubles or wrongly refuses an order") {
  const int first = setting("FLASHSALE_SEED", 1), count = setting("FLASHSALE_SEEDS", kSeeds);
  std::map<std::string, int> seen;
  for (int seed = first; seed < first + count; ++seed) {
    const Verdict verdict = run_world(static_cast<std::uint64_t>(seed), 60);
    for (const auto& [what, times] : verdict.seen) seen[what] += times;
    if (!verdict.violations.empty()) {
      for (const std::string& violation : verdict.violations) MESSAGE("seed " << seed << ": " << violation);
      FAIL_CHECK("FLASHSALE_SEED=" << seed << " FLASHSALE_SEEDS=1 runs this seed alone");
      break;
    }
  }
  std::string table;
  for (const auto& [what, times] : seen) table += fmt::format("  {:<24} {}\n", what, times);
  // What the night is about has happened: a run in which no fence fired would have shown nothing.
  if (count >= 1000)
    for (const char* what : {"fenced",
                             "reconciled",
                             "failover with loss",
                             "zombie wrote",
                             "restart with loss",
                             "flushed",
                             "evicted",
                             "delivered late",
                             "repeated reply",
                             "commit unheard",
                             "crash",
                             "expired",
                             "receipts saved",
                             "receipts lost",
                             "gate killed",
                             "told by all replicas",
                             "read of the past",
                             "writes refused",
                             "XADD refused",
                             "scripts flushed",
                             "clock set"})
      CHECK_MESSAGE(seen[what] > 0, "never happened: " << std::string(what));
  MESSAGE("seeds " << first << " to " << first + count - 1 << ":\n" << table);
}

}  // namespace
}  // namespace flashsale::simulation
