/// Arithmetic on deadlines.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace flashsale::util {

using Clock = std::chrono::steady_clock;

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
