// What holds cost: the same crowd in a sale with and without them, and the sweep of all of them at once.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "engine/returns.hpp"
#include "ours.hpp"

namespace flashsale::bench {
namespace {

Score crowd_with(milliseconds hold, const Crowd& crowd) {
  StageOptions options{static_cast<std::int64_t>(crowd.size()), 1, {}};
  options.hold = hold;
  Stage stage(options);
  return ours_async(stage, crowd);
}

/// Sells the crowd on holds that run out at once, and sweeps them: how long did the longest call keep Redis?
Score sweep_all(const Crowd& crowd) {
  StageOptions options{static_cast<std::int64_t>(crowd.size()), 1, {}};
  options.hold = milliseconds{1};
  Stage stage(options);
  ours_async(stage, crowd);
  std::this_thread::sleep_for(milliseconds{10});
  SaleRow row;
  row.sale = stage.sale();
  row.uuid = stage.redis.command({"HGET", fmt::format("fs:{{{}}}:meta", row.sale), "uuid"}).text;
  row.fence_epoch = 1;
  double longest_ms = 0;
  std::size_t swept = 0;
  const auto start = Clock::now();
  for (bool more = true; more;) {
    const auto call = Clock::now();
    const auto step = engine::sweep(*stage.pool, row, call + std::chrono::seconds(20));
    if (!step) throw std::runtime_error(to_string(step.error()));
    longest_ms = std::max(longest_ms, 1000 * seconds_since(call));
    swept += step->orders;
    more = step->more;
  }
  if (swept != crowd.size()) throw std::runtime_error(fmt::format("{} of {} holds were swept", swept, crowd.size()));
  return {{"expired_per_s", static_cast<double>(swept) / seconds_since(start)}, {"longest_call_ms", longest_ms}};
}

const Registered kHolds{{"holds", "accepting with holds beside without: at most 1.4 times the cost",
                         [](Bench& bench) {
                           const Crowd crowd(bench.scaled(200'000));
                           bench.compare({"accepted_per_s", "cpu_us_per_order"},
                                         {{"flashsale", [&] { return crowd_with(std::chrono::minutes(15), crowd); }},
                                          {"flashsale without holds", [&] { return crowd_with({}, crowd); }}});
                         },
                         20}};

const Registered kSweep{
    {"hold_sweep", "100,000 holds that run out at once: no call keeps Redis longer than 20 ms",
     [](Bench& bench) {
       const Crowd crowd(bench.scaled(100'000));
       bench.compare({"expired_per_s", "longest_call_ms"}, {{"flashsale", [&] { return sweep_all(crowd); }}});
     },
     21}};

}  // namespace
}  // namespace flashsale::bench
