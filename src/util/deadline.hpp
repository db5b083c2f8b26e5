/// The monotonic clock, and arithmetic on deadlines.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

#include "util/simulated.hpp"

namespace flashsale::util {

/// std::chrono::steady_clock, except in a simulation, where time passes only when something lets it pass.
struct Clock {
  using duration = std::chrono::steady_clock::duration;
  using time_point = std::chrono::steady_clock::time_point;

  static time_point now() {
    if (SimulatedWorld* world = simulated_world()) return world->now();
    return std::chrono::steady_clock::now();
  }
};

/// Blocks this thread until `wake`.
inline void sleep_until(Clock::time_point wake) {
  if (SimulatedWorld* world = simulated_world()) return world->sleep_until(wake);
  std::this_thread::sleep_until(wake);
}

/// Whole milliseconds from `now` to `deadline`, rounded up, 0 if it has passed: what poll(2) takes.
inline int ms_left(Clock::time_point deadline, Clock::time_point now = Clock::now()) {
  if (deadline <= now) return 0;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<int>(std::min<std::int64_t>(left, 3'600'000));
}

/// The monotonic clock in whole milliseconds.
inline std::int64_t steady_ms(Clock::time_point at = Clock::now()) {
  return std::chrono::floor<std::chrono::milliseconds>(at.time_since_epoch()).count();
}

}  // namespace flashsale::util
