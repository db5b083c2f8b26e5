#include "report.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/sale_meta.hpp"
#include "flashsale/version.hpp"
#include "support/private_redis.hpp"

namespace flashsale::bench {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

/// With separators of thousands and as many decimals as help.
std::string number(double value) {
  if (value < 100) return fmt::format("{:.{}f}", value, value < 10 ? 2 : 1);
  std::string digits = fmt::format("{:.0f}", value);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

std::string gloss_of(const std::string& workload) {
  for (const Workload& each : workloads())
    if (each.name == workload) return each.gloss;
  return {};
}

}  // namespace

Environment environment() {
  test::PrivateRedis redis;
  utsname system{};
  uname(&system);
  Environment where;
  where.flashsale = version();
  where.redis = core::info_field(redis.command({"INFO", "server"}).text, "redis_version");
  where.cpu = cpu_model();
  where.cores = std::thread::hardware_concurrency();
  const std::string_view release = system.release;
  where.kernel = fmt::format("{} {}", system.sysname, release.substr(0, release.find('-')));
#ifdef __clang__
  where.compiler = "clang " __clang_version__;
#else
  where.compiler = "GCC " __VERSION__;
#endif
#if defined(NDEBUG) && defined(__OPTIMIZE__)
  where.optimised = true;
#endif
  double load[1] = {0};
  if (getloadavg(load, 1) == 1) where.load = load[0];
  return where;
}

void print_table(const Report& report) {
  fmt::print("{:<18} {:<17} {:>13} {:>13} {:>7}   {}\n", "workload", "metric", "ours", "peer", "ratio", "peer is");
  for (const Row& row : report.rows)
    fmt::print("{:<18} {:<17} {:>13} {:>13} {:>7}   {}\n", row.workload, row.metric, number(row.ours),
               row.peer ? number(*row.peer) : "-", row.ratio ? fmt::format("{:.2f}", *row.ratio) : "-", row.peer_name);
  for (const std::string& note : report.notes) fmt::print("{}\n", note);
}

std::string to_json(const Report& report) {
  nlohmann::json results = nlohmann::json::array();
  const auto optional = [](const std::optional<double>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
  };
  for (const Row& row : report.rows)
    results.push_back({{"workload", row.workload},
                       {"metric", row.metric},
                       {"ours", row.ours},
                       {"peer", optional(row.peer)},
                       {"peer_name", row.peer_name},
                       {"ratio", optional(row.ratio)}});
  const Environment& where = report.where;
  const nlohmann::json environment{
      {"flashsale", where.flashsale}, {"redis", where.redis},   {"cpu", where.cpu},
      {"cores", where.cores},         {"kernel", where.kernel}, {"compiler", where.compiler},
      {"optimised", where.optimised}, {"load", where.load}};
  return nlohmann::json{{"environment", environment},
                        {"rounds", report.settings.rounds},
                        {"scale", report.settings.scale},
                        {"results", results},
                        {"notes", report.notes}}
      .dump();
}

Report from_json(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  const auto optional = [](const nlohmann::json& value) {
    return value.is_null() ? std::optional<double>() : value.get<double>();
  };
  Report report;
  const auto& where = json.at("environment");
  report.where = {where.at("flashsale"), where.at("redis"), where.at("cpu"),       where.at("kernel"),
                  where.at("compiler"),  where.at("cores"), where.at("optimised"), where.at("load")};
  report.settings = {json.at("rounds"), json.at("scale")};
  for (const auto& row : json.at("results"))
    report.rows.push_back({row.at("workload"), row.at("metric"), row.at("ours"), optional(row.at("peer")),
                           row.at("peer_name"), optional(row.at("ratio"))});
  report.notes = json.at("notes").get<std::vector<std::string>>();
  return report;
}

std::string to_readme(const Report& report) {
  const Environment& where = report.where;
  std::string text = fmt::format(
      "<!-- Written by `flashsale-bench --readme benchmarks`; do not edit above the line that says so. -->\n"
      "# flashsale-bench\n\n"
      "`build/release/bin/flashsale-bench [--rounds N] [--json] [WORKLOAD...]` runs each workload beside its peers: in "
      "turn, on\nprivate servers, with the same script and so the same guarantees (the fence included), and sets the "
      "medians side by side.\nIt exits 1 if a sale was oversold, or booked something else than was accepted. The peers "
      "are what a careful engineer\nruns instead. Read the ratios; the absolute figures are this machine's.\n\n"
      "flashsale {}, Redis {}, {} cores of {}, {}, {}, {}.\nMedians of {} rounds, crowds at {:g} of their size, over a "
      "unix "
      "socket where nothing else is said; client and\nRedis share the cores.\n\n"
      "A ratio above 1 means that ours is better.\n\n"
      "| workload | metric | ours | peer | ratio | peer |\n|---|---|---:|---:|---:|---|\n",
      where.flashsale, where.redis, where.cores, where.cpu, where.kernel, where.compiler,
      where.optimised ? "optimised build" : "NOT OPTIMISED", report.settings.rounds, report.settings.scale);
  for (const Row& row : report.rows)
    text += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", row.workload, row.metric, number(row.ours),
                        row.peer ? number(*row.peer) : "", row.ratio ? fmt::format("**{:.2f}**", *row.ratio) : "",
                        row.peer_name);
  text += "\n";
  if (!to_plot(report).empty()) text += "![Accepted a second and p99 against callers](callers.svg)\n\n";
  std::string last;
  text += "What the workloads do:\n\n";
  for (const Row& row : report.rows) {
    if (row.workload == last) continue;
    last = row.workload;
    text += fmt::format("- `{}`: {}\n", row.workload, gloss_of(row.workload));
  }
  for (const std::string& note : report.notes) text += fmt::format("\n{}\n", note);
  return text;
}

}  // namespace flashsale::bench
