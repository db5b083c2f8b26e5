/// What a run found, and where: as a table, as JSON, as benchmarks/README.md.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "bench.hpp"

namespace flashsale::bench {

struct Environment {
  std::string flashsale, redis, cpu, kernel, compiler;
  unsigned cores = 0;
  bool optimised = false;
  double load = 0;  ///< of the machine over the last minute, before the run: 0 is what a figure wants
};
Environment environment();

struct Report {
  Environment where;
  Settings settings;
  std::vector<Row> rows;
  std::vector<std::string> notes;
};

void print_table(const Report& report);
std::string to_json(const Report& report);
Report from_json(const std::string& text);
/// In benchmarks/README.md everything from this line on is kept as it is.
inline constexpr const char* kByHand = "<!-- From here on written by hand. -->";
/// All that comes before it.
std::string to_readme(const Report& report);
/// Accepted a second and p99 against blocking callers, as an SVG of its own; empty without those workloads.
std::string to_plot(const Report& report);

}  // namespace flashsale::bench
