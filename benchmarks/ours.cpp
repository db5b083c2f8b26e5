// Our side of each workload.
#include <stdexcept>
#include <thread>

#include "bench.hpp"

namespace flashsale::bench {
namespace {

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

Score ours_async(const Crowd& crowd, std::size_t callers_in_flight) {
  const std::size_t count = crowd.buyers.size();
  Stage stage(static_cast<std::int64_t>(count));
  StockGate gate(stage.pool);
  CompletionQueue queue;
  std::vector<Call> calls;
  calls.reserve(512);
  std::vector<Event> events(1024);
  Score score;
  std::size_t sent = 0, done = 0;
  const auto start = Clock::now();
  while (done < count) {
    calls.clear();
    while (calls.size() < 512 && sent + calls.size() < count && sent + calls.size() - done < callers_in_flight)
      calls.push_back(crowd.call(sent + calls.size()));
    if (!calls.empty()) sent += gate.submit(calls.data(), calls.size(), queue).value();
    const bool full = sent == count || sent - done >= callers_in_flight;
    const auto got = queue.drain(events.data(), events.size(), milliseconds{full ? 100 : 0});
    for (std::size_t i = 0; i < got; ++i)
      if (events[i].code == static_cast<int>(Outcome::reserved)) ++score.accepted;
    done += got;
  }
  score.seconds = seconds_since(start);
  stage.check(score.accepted);
  return score;
}

Score ours_blocking(const Crowd& crowd, std::size_t threads) {
  const std::size_t count = crowd.buyers.size();
  Stage stage(static_cast<std::int64_t>(count));
  StockGate gate(stage.pool);
  std::vector<Latencies> latencies(threads);
  std::vector<std::uint64_t> accepted(threads, 0);
  std::vector<std::thread> running;
  const auto start = Clock::now();
  for (std::size_t t = 0; t < threads; ++t) {
    running.emplace_back([&, t] {
      latencies[t].reserve(count / threads + 1);
      for (std::size_t i = t; i < count; i += threads) {
        const auto before = Clock::now();
        const auto answer = gate.reserve(crowd.call(i));
        latencies[t].push_back(std::chrono::duration<float, std::micro>(Clock::now() - before).count());
        if (answer && answer->outcome == Outcome::reserved) ++accepted[t];
      }
    });
  }
  for (auto& thread : running) thread.join();
  Score score;
  score.seconds = seconds_since(start);
  for (const auto one : accepted) score.accepted += one;
  set_percentiles(score, latencies);
  stage.check(score.accepted);
  return score;
}

Score ours_memory(const Crowd& crowd) {
  const std::size_t count = crowd.buyers.size();
  Stage stage(static_cast<std::int64_t>(count));
  const double before = stage.used_memory();
  StockGate gate(stage.pool);
  CompletionQueue queue(count);
  std::vector<Call> calls;
  for (std::size_t i = 0; i < count; ++i) calls.push_back(crowd.call(i));
  Score score;
  std::size_t sent = 0, done = 0;
  std::vector<Event> events(4096);
  while (done < count) {
    if (sent < count) sent += gate.submit(calls.data() + sent, std::min<std::size_t>(512, count - sent), queue).value();
    const auto got = queue.drain(events.data(), events.size(), milliseconds{sent == count ? 100 : 0});
    for (std::size_t i = 0; i < got; ++i)
      if (events[i].code == static_cast<int>(Outcome::reserved)) ++score.accepted;
    done += got;
  }
  stage.check(score.accepted);
  score.bytes_per_winner =
      (stage.used_memory() - before) / static_cast<double>(score.accepted) - static_cast<double>(crowd.payload.size());
  return score;
}

}  // namespace flashsale::bench
