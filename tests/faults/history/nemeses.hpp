/// Faults that befall a night, each with what proves that it happened. A group shares a plan: what the night must have
/// for them to be possible. Those that leave an old primary answering have groups of their own: such a night's answers
/// are judged more leniently.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "faults/history/stage.hpp"

namespace flashsale::history {

struct Nemesis {
  std::string_view name;
  /// Does it, heals it as far as that is its own affair, tells `stage.night` what may be forgotten by it, and returns
  /// the proof; empty: it did not bite.
  std::string (*strike)(Stage& stage);
};

struct Group {
  std::string_view name;
  void (*shape)(Plan& plan);  ///< gives the plan what these need; may draw by its seed
  bool apart;                 ///< needs run_apart, and so root
  std::vector<Nemesis> nemeses;
};

/// All of them.
const std::vector<Group>& groups();
const Group& group(std::string_view name);

// The groups, by what they harm.
Group processes();
Group redis_always();
Group redis_everysec();
Group redis_cut();
Group redis_forgetful();
Group failovers();
Group zombies();
Group partitions();
Group minorities();
Group wires();
Group servers();
Group deletions();
Group disks();
Group disks_of_postgres();
Group databases();
Group clocks();
Group sentinels();
Group zombies_of_sentinels();
Group clusters();
Group behind_proxy();

/// A night that has been.
struct Report {
  std::string_view group;
  std::uint64_t seed = 0;
  std::vector<Struck> struck;
  Verdict verdict;
  std::int64_t seconds = 0, longest_pause_ms = 0;
  long resident_kib_max = 0;
  bool ran = true;  ///< false: it needs root
};

/// One night of a group with these nemeses, one after the other. `plan` says what differs from the group's own.
Report run_night(const Group& group, Plan plan, const std::vector<Nemesis>& which);
/// With all of the group's.
Report run_night(const Group& group, std::uint64_t seed);

}  // namespace flashsale::history
