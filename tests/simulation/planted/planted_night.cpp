// planted_<bug> [FAULTS [SEEDS]]: the simulator with one source of the library changed by CMakeLists.txt. Ends well if
// an invariant is broken within a few seeds, and says which.
#include <fmt/format.h>

#include <cstdlib>

#include "simulation/world.hpp"

using namespace flashsale::simulation;

int main(int argc, char** argv) {
  const std::string_view faults = argc > 1 ? argv[1] : "";
  const int seeds = argc > 2 ? std::atoi(argv[2]) : kPlantedSeedsMax;
  for (int seed = 1; seed <= seeds; ++seed) {
    const Verdict verdict = run_world(static_cast<std::uint64_t>(seed), kPlantedSteps, real_scripts(), faults);
    if (verdict.violations.empty()) continue;
    fmt::print("seed {}: {}\n", seed, verdict.violations.front());
    return 0;
  }
  fmt::print("not caught within {} seeds\n", seeds);
  return 1;
}
