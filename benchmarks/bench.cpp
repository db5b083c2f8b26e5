#include "bench.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace flashsale::bench {
namespace {

std::vector<Workload>& registry() {
  static std::vector<Workload> all;
  return all;
}

bool more_is_better(const std::string& metric) {
  constexpr std::string_view kPerSecond = "_per_s";
  return metric.size() >= kPerSecond.size() &&
         metric.compare(metric.size() - kPerSecond.size(), kPerSecond.size(), kPerSecond) == 0;
}

std::optional<double> median_of(const std::vector<Score>& scores, const std::string& metric) {
  std::vector<double> values;
  for (const Score& score : scores)
    if (const auto at = score.find(metric); at != score.end()) values.push_back(at->second);
  if (values.empty()) return std::nullopt;
  return median(std::move(values));
}

}  // namespace

Registered::Registered(Workload workload) { registry().push_back(std::move(workload)); }

const std::vector<Workload>& workloads() {
  std::sort(registry().begin(), registry().end(), [](const Workload& a, const Workload& b) {
    return a.place != b.place ? a.place < b.place : a.name < b.name;
  });
  return registry();
}

std::size_t Bench::scaled(std::size_t size) const {
  return std::max<std::size_t>(100, static_cast<std::size_t>(static_cast<double>(size) * settings_.scale));
}

void Bench::compare(const std::vector<std::string>& metrics, const std::vector<Side>& sides) {
  std::vector<std::vector<Score>> scores(sides.size());
  for (int round = 0; round < settings_.rounds; ++round)
    for (std::size_t i = 0; i < sides.size(); ++i) scores[i].push_back(sides[i].run());
  for (const auto& metric : metrics) {
    const auto ours = median_of(scores[0], metric);
    if (!ours) continue;
    if (sides.size() == 1) figure(metric, *ours, sides[0].name);
    for (std::size_t i = 1; i < sides.size(); ++i) {
      const auto peer = median_of(scores[i], metric);
      if (!peer) continue;
      const double ratio = more_is_better(metric) ? *ours / *peer : *peer / *ours;
      rows_.push_back({workload_, metric, *ours, peer, sides[i].name, ratio});
    }
  }
}

void Bench::figure(const std::string& metric, double value, const std::string& beside_what) {
  rows_.push_back({workload_, metric, value, {}, beside_what, {}});
}

void Bench::skip(const std::string& what, const std::string& why) {
  notes_.push_back(fmt::format("{}: skipped: {}: {}", workload_, what, why));
  fmt::print(stderr, "SKIPPED in {}\n", notes_.back());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

void Latencies::put_into(Score& score) const {
  std::vector<float> merged;
  for (const auto& one : of_thread_) merged.insert(merged.end(), one.begin(), one.end());
  if (merged.empty()) return;
  const auto at = [&](double part) {
    const auto nth = merged.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(merged.size() - 1));
    std::nth_element(merged.begin(), nth, merged.end());
    return static_cast<double>(*nth);
  };
  score["p50_us"] = at(0.50);
  score["p99_us"] = at(0.99);
  score["p999_us"] = at(0.999);
}

double run_together(std::size_t threads, const Body& body) {
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t ready = 0;
  std::optional<Clock::time_point> start;
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      {
        std::unique_lock<std::mutex> lock(mutex);
        ++ready;
        changed.notify_all();
        changed.wait(lock, [&] { return start.has_value(); });
      }
      body(t, *start);
    });
  }
  {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return ready == threads; });
    start = Clock::now();
  }
  changed.notify_all();
  for (auto& thread : running) thread.join();
  return seconds_since(*start);
}

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

}  // namespace flashsale::bench
