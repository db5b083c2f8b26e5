#include "faults/history/nemeses.hpp"

#include <stdexcept>

#include "faults/history/apart.hpp"

namespace flashsale::history {

const std::vector<Group>& groups() {
  static const std::vector<Group> all = {
      processes(), redis_always(),      redis_everysec(), redis_cut(), redis_forgetful(), failovers(),
      zombies(),   partitions(),        minorities(),     wires(),     servers(),         deletions(),
      disks(),     disks_of_postgres(), databases(),      clocks(),    sentinels(),       zombies_of_sentinels(),
      clusters(),  behind_proxy()};
  return all;
}

const Group& group(std::string_view name) {
  for (const Group& each : groups())
    if (each.name == name) return each;
  throw std::runtime_error("no such group of faults: " + std::string(name));
}

Report run_night(const Group& group, Plan plan, const std::vector<Nemesis>& which) {
  Report report;
  report.group = group.name;
  report.seed = plan.seed;
  const std::int64_t from = monotonic_ns();
  const auto night = [&] {
    Stage stage(plan);
    stage.pass(milliseconds{300});
    for (const Nemesis& nemesis : which) {
      report.struck.push_back({std::string(nemesis.name), nemesis.strike(stage)});
      stage.pass(milliseconds(100 + stage.roll(200)));
      if (stage.roll(4) == 0) stage.restock();
      if (stage.roll(8) == 0) stage.pause_a_while();
    }
    report.verdict = stage.finish();
    report.longest_pause_ms = stage.longest_pause_ms;
    report.resident_kib_max = stage.resident_kib_max;
  };
  if (group.apart)
    report.ran = run_apart(night);
  else
    night();
  report.seconds = (monotonic_ns() - from + 500'000'000) / 1'000'000'000;
  return report;
}

Report run_night(const Group& group, std::uint64_t seed) {
  Plan plan;
  plan.seed = seed;
  group.shape(plan);
  return run_night(group, plan, group.nemeses);
}

}  // namespace flashsale::history
