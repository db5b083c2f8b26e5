// flashsale-bench: runs named workloads, each beside its peers in the same run, and reports.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "report.hpp"

namespace flashsale::bench {
namespace {

struct Options {
  Settings settings;
  bool json = false;
  std::string results, readme;
  std::vector<std::string> names;
};

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

/// What `report` has, and of `earlier` the workloads that did not run now, in the order of the list.
Report merged(Report report, const Report& earlier) {
  std::vector<Row> all;
  for (const Workload& workload : workloads()) {
    const auto of_workload = [&](const Row& row) { return row.workload == workload.name; };
    const bool ran = std::any_of(report.rows.begin(), report.rows.end(), of_workload);
    const std::vector<Row>& from = ran ? report.rows : earlier.rows;
    std::copy_if(from.begin(), from.end(), std::back_inserter(all), of_workload);
  }
  report.rows.swap(all);
  return report;
}

int run(const Options& options) {
  Report report{environment(), options.settings, {}, {}};
  if (!report.where.optimised) fmt::print(stderr, "WARNING: this build is not optimised; its figures mean nothing\n");
  if (options.settings.scale < 0.2) fmt::print(stderr, "WARNING: at this scale the figures mean nothing\n");
  Report earlier;
  if (!options.results.empty())
    if (const std::string before = read(options.results); !before.empty()) earlier = from_json(before);
  for (const Workload& workload : workloads()) {
    const auto& names = options.names;
    if (!names.empty() && std::find(names.begin(), names.end(), workload.name) == names.end()) continue;
    fmt::print(stderr, "{}: {}\n", workload.name, workload.gloss);
    Bench bench(workload.name, options.settings, report.rows, report.notes);
    workload.run(bench);
    // At once, so that a run that is cut short keeps what it has.
    if (!options.results.empty()) write(options.results, to_json(merged(report, earlier)) + "\n");
  }
  report = merged(std::move(report), earlier);
  if (!options.readme.empty()) {
    const auto page = std::filesystem::path(options.readme) / "README.md";
    const std::string before = read(page.string());
    const auto by_hand = before.find(kByHand);  // other tools' figures, which are kept
    write(page, to_readme(report) + (by_hand == std::string::npos ? "" : "\n" + before.substr(by_hand)));
    if (const auto plot = to_plot(report); !plot.empty())
      write(std::filesystem::path(options.readme) / "callers.svg", plot);
  }
  if (options.json)
    fmt::print("{}\n", to_json(report));
  else
    print_table(report);
  return 0;
}

/// A thousand callers with a connection each need more descriptors than a shell gives.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Options parse(int argc, char** argv) {
  CLI::App app{"Runs named workloads, each beside its peers in the same run. Exits 1 if a sale was oversold."};
  Options options;
  std::vector<std::string> known;
  std::string list = "workloads (all, if none is named):\n";
  for (const Workload& workload : workloads()) {
    known.push_back(workload.name);
    list += fmt::format("  {:<20} {}\n", workload.name, workload.gloss);
  }
  app.footer(list);
  app.add_option("WORKLOAD", options.names)->check(CLI::IsMember(known));
  app.add_option("--rounds", options.settings.rounds, "of each side; medians are reported")->check(CLI::Range(1, 99));
  app.add_option("--scale", options.settings.scale, "of every crowd, 0.001..10")->check(CLI::Range(0.001, 10.0));
  app.add_flag("--json", options.json, "one line of JSON instead of a table");
  app.add_option("--results", options.results, "a file to keep results in; what ran now replaces what it had");
  app.add_option("--readme", options.readme, "a folder to write README.md and callers.svg into")
      ->check(CLI::ExistingDirectory);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  return options;
}

}  // namespace
}  // namespace flashsale::bench

int main(int argc, char** argv) {
  try {
    flashsale::bench::raise_descriptor_limit();
    return flashsale::bench::run(flashsale::bench::parse(argc, argv));
  } catch (const std::exception& error) {
    fmt::print(stderr, "FAIL: {}\n", error.what());
    return 1;
  }
}
