/// What every workload of flashsale-bench uses: a private Redis with a fresh sale, rounds, medians, rows.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "flashsale/flashsale.hpp"
#include "support/private_redis.hpp"

namespace flashsale::bench {

using Clock = std::chrono::steady_clock;

/// One line of the result. `ratio` above 1 always means that ours is better; a ceiling has none.
struct Row {
  std::string workload;
  std::string metric;
  double ours = 0;
  double peer = 0;
  std::string peer_name;
  std::optional<double> ratio;
};

/// What one side did in one round.
struct Score {
  std::uint64_t accepted = 0;
  double seconds = 0;
  double p50_us = 0;
  double p99_us = 0;
  double bytes_per_winner = 0;
  double cpu_us_per_order = 0;
  double accepted_per_s() const { return static_cast<double>(accepted) / seconds; }
};

/// A fresh sale of one item on a Redis of its own, as every round gets it.
class Stage {
 public:
  explicit Stage(std::int64_t units, std::vector<std::string> redis_arguments = {});
  /// Throws std::runtime_error if more was booked than there is, or not exactly what was accepted.
  void check(std::uint64_t accepted);
  double used_memory();

  test::PrivateRedis redis;
  std::shared_ptr<ConnectionPool> pool;
  const std::int64_t units;
};

inline constexpr const char* kSale = "bench";
inline constexpr const char* kItem = "sneaker-42";

/// Distinct buyers and requests, made before the clock runs.
struct Crowd {
  explicit Crowd(std::size_t count);
  std::vector<std::string> buyers, requests;
  Call call(std::size_t i) const {
    return {SaleId{kSale}, ItemId{kItem}, BuyerId{buyers[i]}, RequestId{requests[i]}, 1, payload, milliseconds{20'000}};
  }
  std::string payload;
};

/// Latencies of one thread, in microseconds.
using Latencies = std::vector<float>;
void set_percentiles(Score& score, std::vector<Latencies>& all);

double median(std::vector<double> values);

/// Runs both sides in turn, `rounds` times, and adds a row for each metric asked for.
using Side = std::function<Score()>;
void compare(std::vector<Row>& rows, const std::string& workload, const std::vector<std::string>& metrics, int rounds,
             const Side& ours, const std::string& peer_name, const Side& peer);

// The sides (ours.cpp, peers.cpp). Each makes its own stage, checks it and throws on an oversell.
Score ours_async(const Crowd& crowd, std::size_t callers_in_flight);
Score ours_blocking(const Crowd& crowd, std::size_t threads);
Score ours_memory(const Crowd& crowd);
Score peer_pool(const Crowd& crowd, std::size_t threads);
Score peer_memory(const Crowd& crowd);

}  // namespace flashsale::bench
