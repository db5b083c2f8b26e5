/// The process's counters behind metrics.hpp. Lanes add once a batch, so relaxed atomics cost nothing that shows.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "flashsale/error.hpp"
#include "flashsale/outcome.hpp"

namespace flashsale::engine {

class Counter {
 public:
  void add(std::uint64_t count) { value_.fetch_add(count, std::memory_order_relaxed); }
  void set(std::uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

inline constexpr std::size_t kOutcomeCount = 16;  // Outcome's values begin at 1
inline constexpr std::size_t kErrorCount = 14;    // ErrorCode's values, negated, begin at 1

struct Counters {
  std::array<Counter, kOutcomeCount> answers;
  std::array<std::array<Counter, 2>, kErrorCount> errors;  // by code, by effect
  Counter batches, batched_requests, round_trips, resent_batches;
  Counter orders_committed, commits, dead_orders, reconciles, entries_behind;

  void answered(Outcome outcome, std::uint64_t count = 1) {
    answers[static_cast<std::size_t>(outcome) % kOutcomeCount].add(count);
  }
  void failed(ErrorCode code, Effect effect) {
    errors[static_cast<std::size_t>(-static_cast<int>(code)) % kErrorCount][effect == Effect::none ? 0 : 1].add(1);
  }
};

/// The one registry of the process.
Counters& counters();

}  // namespace flashsale::engine
