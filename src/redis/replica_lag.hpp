/// How far a replica is behind, by offset and by time, from what ROLE says at both ends. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "flashsale/types.hpp"

namespace flashsale::redis {

struct Lag {
  std::int64_t bytes = 0;
  milliseconds time{0};
};

/// Where a primary's replication was, and when: a replica whose offset is at a sample shows all that was written
/// before it. Asking the primary is one ROLE an interval, however many readers there are.
class Trail {
 public:
  void note(Deadline at, std::int64_t offset);
  /// The lag of a replica that had taken in `offset`. Nothing: there is no sample that old, or none at all.
  std::optional<Lag> lag_of(std::int64_t offset, Deadline now) const;
  /// When the newest sample was taken.
  std::optional<Deadline> newest() const;

 private:
  struct Sample {
    Deadline at;
    std::int64_t offset;
  };
  static constexpr std::size_t kSamplesMax = 128;
  std::deque<Sample> samples_;  ///< both members rise
};

}  // namespace flashsale::redis
