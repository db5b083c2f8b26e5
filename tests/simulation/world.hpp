/// One simulated sale from its creation to its end, out of one seed: gates, controllers and workers, a network that
/// fails in the ways the seed chose, and in the end everything compared with everything.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "simulation/node.hpp"

namespace flashsale::simulation {

struct Verdict {
  std::vector<std::string> violations;  ///< empty: every invariant holds
  std::map<std::string, int> seen;      ///< how often each thing happened
};

/// The library's own scripts.
const ScriptTexts& real_scripts();

/// Runs `steps` steps of `seed` with `scripts`. The same arguments give the same run.
Verdict run_world(std::uint64_t seed, int steps, const ScriptTexts& scripts = real_scripts());

}  // namespace flashsale::simulation
