/// Remembers in which process something was first used.
#pragma once

#include <atomic>
#include <cstdint>

#include "util/fork_guard.hpp"

namespace flashsale::capi {

/// Thread-safe. What was not used before a fork may be used by either side of it.
class ForkMark {
 public:
  /// Uses it here; false if another process did before.
  bool claim() {
    const std::uint32_t now = util::fork_generation();
    std::uint32_t first = 0;
    return generation_.compare_exchange_strong(first, now) || first == now;
  }
  bool is_foreign() const {
    const std::uint32_t first = generation_.load();
    return first != 0 && first != util::fork_generation();
  }

 private:
  std::atomic<std::uint32_t> generation_{0};  // of the first use; 0: not used yet
};

}  // namespace flashsale::capi
