#include "faults/history/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace flashsale::history {
namespace {

using nlohmann::json;

struct Tally {
  std::uint64_t bit = 0, missed = 0;
  std::string proof;  // of the last that bit
};

struct Totals {
  std::uint64_t nights = 0, faults = 0, failovers = 0, missed = 0;
  std::uint64_t calls = 0, accepted = 0, unknown = 0, left_open = 0, forgotten = 0, violations = 0;
  std::int64_t seconds = 0, longest_pause_ms = 0, resident_kib_max = 0;
  std::map<std::string, std::map<std::string, Tally>> by_group;
};

/// Another node is the primary afterwards.
bool is_failover(const std::string& fault) {
  return fault.find("failover") != std::string::npos || fault.find("zombie") != std::string::npos ||
         fault.find("minority") != std::string::npos;
}

void add(Totals& totals, const json& night) {
  ++totals.nights;
  totals.calls += night.at("calls").get<std::uint64_t>();
  totals.accepted += night.at("accepted").get<std::uint64_t>();
  totals.unknown += night.at("unknown").get<std::uint64_t>();
  totals.left_open += night.at("left_open").get<std::uint64_t>();
  totals.forgotten += night.at("forgotten").get<std::uint64_t>();
  totals.violations += night.at("violations").size();
  totals.seconds += night.at("seconds").get<std::int64_t>();
  totals.longest_pause_ms = std::max(totals.longest_pause_ms, night.at("longest_pause_ms").get<std::int64_t>());
  totals.resident_kib_max = std::max(totals.resident_kib_max, night.at("resident_kib_max").get<std::int64_t>());
  for (const json& struck : night.at("faults")) {
    const auto fault = struck.at("fault").get<std::string>(), proof = struck.at("proof").get<std::string>();
    Tally& tally = totals.by_group[night.at("group").get<std::string>()][fault];
    if (proof.empty()) {
      ++tally.missed;
      ++totals.missed;
      continue;
    }
    ++tally.bit;
    tally.proof = proof;
    ++totals.faults;
    totals.failovers += is_failover(fault) ? 1 : 0;
  }
}

}  // namespace

void append_to_ledger(const std::string& path, const Report& report) {
  json night = {{"group", report.group},
                {"seed", report.seed},
                {"seconds", report.seconds},
                {"calls", report.verdict.calls},
                {"accepted", report.verdict.accepted},
                {"unknown", report.verdict.unknown},
                {"left_open", report.verdict.left_open},
                {"forgotten", report.verdict.forgotten},
                {"violations", report.verdict.violations},
                {"longest_pause_ms", report.longest_pause_ms},
                {"resident_kib_max", report.resident_kib_max},
                {"faults", json::array()}};
  for (const Struck& struck : report.struck)
    night["faults"].push_back({{"fault", struck.fault}, {"proof", struck.proof}});
  std::ofstream file(path, std::ios::app);
  file << night.dump() << '\n' << std::flush;
  if (!file) throw std::runtime_error("cannot write " + path);
}

std::string table_of_ledger(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  Totals totals;
  for (std::string line; std::getline(file, line);) add(totals, json::parse(line));
  std::string text = fmt::format(
      "{} nights, {} minutes: {} faults that bit (and {} strikes that did not), {} of them failovers; {} calls, {} "
      "accepted, {} unknown, {} cut short by a kill; {} orders gone that a level below `database` may lose; longest "
      "pause once healed {} ms; at most {} MiB a process; {} violations.\n\n| fault | bit | proof, for instance |\n"
      "|---|---|---|\n",
      totals.nights, totals.seconds / 60, totals.faults, totals.missed, totals.failovers, totals.calls, totals.accepted,
      totals.unknown, totals.left_open, totals.forgotten, totals.longest_pause_ms, totals.resident_kib_max / 1024,
      totals.violations);
  for (const auto& [group, faults] : totals.by_group)
    for (const auto& [fault, tally] : faults) text += fmt::format("| {} | {} | {} |\n", fault, tally.bit, tally.proof);
  return text;
}

}  // namespace flashsale::history
