/// A word that one thread waits on and another sets: a condition variable's job without its mutex, since a lane wakes
/// dozens of callers a batch.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace flashsale::util {

/// Set once, waited for by one thread; may be destroyed as soon as that thread has seen it set.
class Latch {
 public:
  bool is_set() const { return word_.load(std::memory_order_acquire) == kSet; }
  void set();
  /// Waits until it is set or `deadline`; true if it is set.
  bool wait_until(std::chrono::steady_clock::time_point deadline);

 private:
  static constexpr std::uint32_t kClear = 0, kSleeping = 1, kSet = 2;
  std::atomic<std::uint32_t> word_{kClear};
};

}  // namespace flashsale::util
