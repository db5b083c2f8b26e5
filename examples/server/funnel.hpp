/// What this process counts about its requests: where purchases end, and how long they take. Relaxed atomics.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <flashsale/types.hpp>
#include <map>
#include <mutex>
#include <string>

namespace server {

/// Answer times of the last ten seconds: a histogram a second, eight buckets an octave, so within 9% of the truth.
/// `record` from any thread, `turn` once a second from one.
class AnswerTimes {
 public:
  void record(std::int64_t us);
  void turn();
  /// ms that `share` (0..1) of the answers did not exceed; 0 if there were none.
  double quantile(double share) const;

 private:
  static constexpr std::size_t kSeconds = 10, kBuckets = 8 * 27;
  static std::size_t bucket_of(std::int64_t us);

  std::array<std::array<std::atomic<std::uint32_t>, kBuckets>, kSeconds> seconds_{};
  std::atomic<std::size_t> now_{0};
};

/// What this process sold of one sale.
struct Sold {
  std::uint64_t orders = 0;
  flashsale::Position first{};  ///< where the sale stood at the first of them; nowhere: there is none
};

/// Orders won, by sale; only a sale that is there is ever won in, so there are as many as operators made. Thread-safe.
class Sales {
 public:
  void add(const std::string& sale, flashsale::Position at);
  Sold of(const std::string& sale) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Sold> sales_;  // guarded by mutex_
};

/// Counters since the start.
struct Funnel {
  std::atomic<std::uint64_t> requests{0};  ///< for what the public may ask, that reached this server
  std::atomic<std::uint64_t> arrived{0};   ///< purchases that reached this server
  std::atomic<std::uint64_t> refused{0};   ///< of them: malformed, without a good token, too often
  std::atomic<std::uint64_t> answered{0};  ///< of the rest: answered by the gate
  std::atomic<std::uint64_t> won{0};       ///< of them: reserved
  Sales sales;
  AnswerTimes times;

  static void count(std::atomic<std::uint64_t>& counter) { counter.fetch_add(1, std::memory_order_relaxed); }
};

/// The counters in the Prometheus text format, to stand behind metrics_text().
std::string to_metrics(const Funnel& funnel);

}  // namespace server
