/// One simulated sale from its creation to its end, out of one seed: gates, controllers and workers, a network that
/// fails in the ways the seed chose, and in the end everything compared with everything.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "simulation/node.hpp"

namespace flashsale::simulation {

struct Verdict {
  std::vector<std::string> violations;  ///< empty: every invariant holds
  std::map<std::string, int> seen;      ///< how often each thing happened
};

/// A planted bug is caught within so many seeds, of so many steps each; the rarest shows in one of twenty.
inline constexpr int kPlantedSeedsMax = 60, kPlantedSteps = 120;

/// The library's own scripts.
const ScriptTexts& real_scripts();

/// Runs `steps` steps of `seed` with `scripts`. The same arguments give the same run. The seed draws which kinds of
/// fault the run has; or `only` says it, by the names in Faults, with spaces between them.
Verdict run_world(std::uint64_t seed, int steps, const ScriptTexts& scripts = real_scripts(),
                  std::string_view only = {});

}  // namespace flashsale::simulation
