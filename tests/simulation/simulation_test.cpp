// Thousands of simulated nights, each out of one seed: what the library promises holds whatever the network, Redis, the
// database and the processes do. A failure prints its seed; `test_simulation --seed N` runs that one alone.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>

#include "simulation/world.hpp"

namespace flashsale::simulation {
namespace {

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::atoi(text);
}

TEST_CASE("no seed of the simulation oversells, loses, doubles or wrongly refuses an order") {
  const int first = setting("FLASHSALE_SEED", 1), count = setting("FLASHSALE_SEEDS", 2000);
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
  MESSAGE("seeds " << first << " to " << first + count - 1 << ":\n" << table);
}

}  // namespace
}  // namespace flashsale::simulation
