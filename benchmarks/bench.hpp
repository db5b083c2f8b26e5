/// flashsale-bench: named workloads, each beside its peers in the same run.
///
/// A workload is one file `workload_*.cpp` that registers itself:
///
///     const Registered kMine{{"my_workload", "what it does, in a line", [](Bench& bench) {
///       bench.compare({"orders_per_s", "p99_us"}, {{"flashsale", ours}, {"a pool of 64", peer}});
///     }}};
///
/// where a side is a function that stages a fresh server, runs, checks what must hold (and throws if it does not) and
/// returns its Score. The sides of one `compare` run in turn, `rounds` times, and their medians are set beside those
/// of the first, which is always flashsale.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace flashsale::bench {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What one side did in one round: metric -> value. Names ending in `_per_s` are better when more, others when less.
using Score = std::map<std::string, double>;

/// One who runs the workload: us or a peer.
struct Side {
  std::string name;
  std::function<Score()> run;
};

/// One line of the result: a metric of ours beside one peer's. `ratio` above 1 always means that ours is better; the
/// figure of a workload that has no peer, and a ceiling's, have none.
struct Row {
  std::string workload;
  std::string metric;
  double ours = 0;
  std::optional<double> peer;
  std::string peer_name;
  std::optional<double> ratio;
};

struct Settings {
  int rounds = 3;
  double scale = 1.0;  ///< of every crowd: 0.01 is a smoke test of the invariants, whose figures mean nothing
};

/// What a workload gets.
class Bench {
 public:
  Bench(std::string workload, Settings settings, std::vector<Row>& rows, std::vector<std::string>& notes)
      : workload_(std::move(workload)), settings_(settings), rows_(rows), notes_(notes) {}

  /// `size` at the scale of this run, at least 100.
  std::size_t scaled(std::size_t size) const;

  /// Runs the sides in turn, `rounds` times; a row for each metric and peer. Metrics that a side has no value for are
  /// left out of its rows.
  void compare(const std::vector<std::string>& metrics, const std::vector<Side>& sides);
  /// A figure of its own.
  void figure(const std::string& metric, double value, const std::string& beside_what = "");
  /// Says, on stderr and in the results, that something was left out, and why.
  void skip(const std::string& what, const std::string& why);

  const std::string& workload() const { return workload_; }
  const Settings& settings() const { return settings_; }

 private:
  std::string workload_;
  Settings settings_;
  std::vector<Row>& rows_;
  std::vector<std::string>& notes_;
};

struct Workload {
  std::string name;
  std::string gloss;
  std::function<void(Bench&)> run;
  int place = 100;  ///< order in the list and the table
};

/// Every workload that registered itself, by place and name.
const std::vector<Workload>& workloads();

/// Put one at namespace scope to add a workload.
struct Registered {
  explicit Registered(Workload workload);
};

double median(std::vector<double> values);

/// Latencies in microseconds, one vector a thread, merged when asked.
class Latencies {
 public:
  explicit Latencies(std::size_t threads = 1) : of_thread_(threads) {}
  std::vector<float>& of(std::size_t thread) { return of_thread_[thread]; }
  /// p50_us, p99_us and p999_us.
  void put_into(Score& score) const;

 private:
  std::vector<std::vector<float>> of_thread_;
};

/// Runs `body` on so many threads, which begin together once all of them are there, at the time that they are given.
/// Returns how many seconds they took, without their making.
using Body = std::function<void(std::size_t thread, Clock::time_point start)>;
double run_together(std::size_t threads, const Body& body);

/// CPU seconds that this process has used, user and system; children are not counted.
double cpu_seconds();

}  // namespace flashsale::bench
