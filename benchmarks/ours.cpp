#include "ours.hpp"

#include <algorithm>
#include <thread>

namespace flashsale::bench {
namespace {

constexpr std::size_t kSlice = 512;

bool is_reserved(const Event& event) { return event.code == static_cast<int>(Outcome::reserved); }

/// Connects the lanes by calls that win nothing, as the peers' threads are connected before their clock starts.
void warm_up(StockGate& gate, CompletionQueue& queue, const Crowd& crowd, const Stage& stage) {
  std::vector<Call> calls;
  for (std::size_t i = 0; i < 4 * kSlice; ++i) {
    calls.push_back(crowd.call(i % crowd.size(), stage.sale()));
    calls.back().item = ItemId{"not-sold-here"};
  }
  std::size_t sent = 0, done = 0;
  std::vector<Event> events(1024);
  while (done < calls.size()) {
    if (sent < calls.size())
      sent += gate.submit(calls.data() + sent, std::min(kSlice, calls.size() - sent), queue).value();
    done += queue.drain(events.data(), events.size(), milliseconds{sent == calls.size() ? 100 : 0});
  }
}

}  // namespace

Ran async_crowd(const std::shared_ptr<ConnectionPool>& pool, const std::vector<std::string>& sales, const Crowd& crowd,
                std::size_t in_flight, const GateOptions& options, std::shared_ptr<OrderSink> sink) {
  const std::size_t count = crowd.size();
  StockGate gate(pool, std::move(sink), options);
  CompletionQueue queue;
  std::vector<Call> calls;
  calls.reserve(kSlice);
  std::vector<Event> events(1024);
  std::uint64_t accepted = 0;
  std::size_t sent = 0, done = 0;
  const double cpu_before = cpu_seconds();
  const auto start = Clock::now();
  while (done < count) {
    calls.clear();
    while (calls.size() < kSlice && sent + calls.size() < count && sent + calls.size() - done < in_flight) {
      const std::size_t next = sent + calls.size();
      calls.push_back(crowd.call(next, sales[next / kSlice % sales.size()]));
    }
    if (!calls.empty()) sent += gate.submit(calls.data(), calls.size(), queue).value();
    const bool full = sent == count || sent - done >= in_flight;
    const auto got = queue.drain(events.data(), events.size(), milliseconds{full ? 100 : 0});
    accepted += static_cast<std::uint64_t>(std::count_if(events.begin(), events.begin() + got, is_reserved));
    done += got;
  }
  return {accepted, seconds_since(start), cpu_seconds() - cpu_before};
}

Score ours_async(Stage& stage, const Crowd& crowd, std::size_t in_flight, GateOptions options) {
  const Ran ran = async_crowd(stage.pool, stage.sales(), crowd, in_flight, options);
  stage.check(ran.accepted);
  return ran.score();
}

Score ours_blocking(Stage& stage, const Crowd& crowd, std::size_t threads) {
  const std::size_t count = crowd.size();
  StockGate gate(stage.pool);
  Latencies latencies(threads);
  std::vector<std::uint64_t> accepted(threads, 0);
  const double seconds = run_together(threads, [&](std::size_t t, Clock::time_point) {
    latencies.of(t).reserve(count / threads + 1);
    std::uint64_t won = 0;
    for (std::size_t i = t; i < count; i += threads) {
      const auto before = Clock::now();
      const auto answer = gate.reserve(crowd.call(i, stage.sale()));
      latencies.of(t).push_back(std::chrono::duration<float, std::micro>(Clock::now() - before).count());
      won += answer && answer->outcome == Outcome::reserved ? 1 : 0;
    }
    accepted[t] = won;
  });
  std::uint64_t all = 0;
  for (const auto one : accepted) all += one;
  stage.check(all);
  Score score{{"accepted_per_s", static_cast<double>(all) / seconds}};
  latencies.put_into(score);
  return score;
}

Score ours_open_loop(Stage& stage, const Crowd& crowd, double rate_per_s) {
  const std::size_t count = crowd.size();
  StockGate gate(stage.pool);
  CompletionQueue queue;
  Latencies latencies;
  latencies.of(0).reserve(count);
  std::vector<Call> calls;
  std::vector<Event> events(1024);
  std::uint64_t accepted = 0;
  std::size_t sent = 0, done = 0;
  warm_up(gate, queue, crowd, stage);
  const auto start = Clock::now();
  const auto due_at = [&](std::size_t i) {
    return start + std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(i) * 1e9 / rate_per_s));
  };
  while (done < count) {
    calls.clear();
    const auto now = Clock::now();
    while (calls.size() < kSlice && sent + calls.size() < count && due_at(sent + calls.size()) <= now) {
      calls.push_back(crowd.call(sent + calls.size(), stage.sale()));
      calls.back().tag = sent + calls.size() - 1;
    }
    if (!calls.empty()) sent += gate.submit(calls.data(), calls.size(), queue).value();
    const auto got = queue.drain(events.data(), events.size());
    const auto heard = Clock::now();
    for (std::size_t i = 0; i < got; ++i) {
      accepted += is_reserved(events[i]) ? 1 : 0;
      latencies.of(0).push_back(std::chrono::duration<float, std::micro>(heard - due_at(events[i].tag)).count());
    }
    done += got;
    if (calls.empty() && got == 0) std::this_thread::sleep_for(std::chrono::microseconds(20));
  }
  stage.check(accepted);
  Score score{{"rate_per_s", static_cast<double>(count) / seconds_since(start)}};
  latencies.put_into(score);
  return score;
}

}  // namespace flashsale::bench
