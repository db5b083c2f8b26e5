/// A circuit: how long nobody knocks after failures in a row. Pure.
#pragma once

#include <cstdint>

#include "flashsale/options.hpp"

namespace flashsale::redis {

/// Twofold longer after each failure, jittered, so that a crowd of processes does not come back in step.
///
///   closed --failed--> open (until) --the time has come--> half open --worked--> closed
///                        ^                                     |
///                        +-------------- failed ---------------+
class Pause {
 public:
  /// A failure during the pause is the same failure, seen by another thread: it does not make it longer.
  void failed(Deadline now, milliseconds shortest, milliseconds longest, std::uint64_t random);
  void failed(Deadline now, const PoolOptions& options, std::uint64_t random) {
    failed(now, options.reconnect_min, options.reconnect_max, random);
  }
  void worked() { *this = Pause{}; }
  bool has_failed() const { return failures_ > 0; }
  Deadline until() const { return until_; }

 private:
  unsigned failures_ = 0;
  Deadline until_{};
};

}  // namespace flashsale::redis
