/// The process's counters behind metrics.hpp.
///
/// A lane counts each answer, and lanes run side by side: one set of atomics would travel between cores with every
/// answer. So a thread counts in a set of its own, a cache line apart from the others, and a reading sums them up.
/// There are 64; threads beyond share the last one. A set goes to another thread, with its counts, when its own one
/// ends.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "flashsale/error.hpp"
#include "flashsale/outcome.hpp"

namespace flashsale::engine {

class Counter {
 public:
  void add(std::uint64_t count) { value_.fetch_add(count, std::memory_order_relaxed); }
  /// The same if no other thread adds: a locked instruction would let no later load begin before it is done, and a
  /// refusal that takes 40 ns is made of loads.
  void add_alone(std::uint64_t count) {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// Buckets whose upper bounds double: `first`, 2 `first`, ...; the last has none.
template <std::uint64_t first, std::size_t bounds>
struct Histogram {
  static constexpr std::size_t kBuckets = bounds + 1;
  std::array<Counter, kBuckets> buckets;
  Counter sum;

  static constexpr std::uint64_t bound(std::size_t bucket) { return first << bucket; }
  void add(std::uint64_t value) {
    std::size_t bucket = 0;
    while (bucket < bounds && value > bound(bucket)) ++bucket;
    buckets[bucket].add(1);
    sum.add(value);
  }
};

inline constexpr std::size_t kOutcomeCount = 16;  // Outcome's values begin at 1
inline constexpr std::size_t kErrorCount = 14;    // ErrorCode's values, negated, begin at 1

struct alignas(64) Counters {
  bool alone = false;  // one thread has it, and only that thread reads this
  std::array<Counter, kOutcomeCount> answers;
  std::array<std::array<Counter, 2>, kErrorCount> errors;  // by code, by effect
  std::array<Counter, kOutcomeCount> refused_locally;      // not counted in `answers`
  Histogram<1, 10> batch_requests;                         // 1..512, the most there can be
  Histogram<125, 14> round_trip_us;                        // 125 us..1 s
  Counter round_trips, resent_batches;
  Counter orders_committed, commits, dead_orders, reconciles;
  Counter receipts_saved, receipts_lost, receipts_dropped;

  void answered(Outcome outcome, std::uint64_t count = 1) {
    answers[static_cast<std::size_t>(outcome) % kOutcomeCount].add(count);
  }
  void refused_at_once(Outcome outcome) {
    Counter& counter = refused_locally[static_cast<std::size_t>(outcome) % kOutcomeCount];
    alone ? counter.add_alone(1) : counter.add(1);
  }
  void failed(ErrorCode code, Effect effect) {
    errors[static_cast<std::size_t>(-static_cast<int>(code)) % kErrorCount][effect == Effect::none ? 0 : 1].add(1);
  }
  void took(std::chrono::steady_clock::duration time) {
    round_trip_us.add(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(time).count()));
  }
};

/// The calling thread's set.
Counters& counters();

/// The one number that goes up and down: what the newest look of a worker found.
void note_entries_behind(std::uint64_t entries);

}  // namespace flashsale::engine
