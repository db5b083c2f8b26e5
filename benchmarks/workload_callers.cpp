// Blocking callers, from one to 1,024, and open-loop arrivals.
#include <fmt/format.h>

#include "ours.hpp"
#include "peers.hpp"

namespace flashsale::bench {
namespace {

/// Callers beside a pool with a thread and a connection for each of them, as one would run it, and beside ioredis with
/// as many promises in flight.
Workload blocking(std::size_t callers, std::size_t crowd_size, int place) {
  const auto run = [=](Bench& bench) {
    const Crowd crowd(bench.scaled(crowd_size));
    const auto staged = [&](auto side) {
      return [&, side] {
        Stage stage({static_cast<std::int64_t>(crowd.size()), 1, {}});
        return side(stage, crowd, callers);
      };
    };
    std::vector<Side> sides{{"flashsale", staged(ours_blocking)},
                            {fmt::format("pool of {} blocking hiredis connections", callers), staged(peer_pool)},
                            {"the same, EVALSHA then LPUSH", staged(peer_evalsha_lpush)}};
    if (const auto why = ioredis_is_missing())
      bench.skip("ioredis", *why);
    else
      sides.push_back({fmt::format("ioredis, {} in flight, auto-pipelined", callers),
                       staged([](Stage& stage, const Crowd& all, std::size_t in_flight) {
                         return peer_ioredis(stage, all, in_flight, true);
                       })});
    bench.compare({"accepted_per_s", "p50_us", "p99_us"}, sides);
  };
  return {fmt::format("blocking_{}", callers), fmt::format("{} blocking callers", callers), run, place};
}

const Registered kOne{blocking(1, 30'000, 5)};
const Registered kEight{blocking(8, 80'000, 6)};
const Registered kSixtyFour{blocking(64, 120'000, 7)};
const Registered kMany{blocking(256, 120'000, 8)};
const Registered kCrowdOfThreads{blocking(1024, 240'000, 9)};

/// Arrivals at rates that do not wait for answers, timed from when each was due; the connections are up before.
void open_loop(Bench& bench, const std::function<double(const Crowd&)>& our_rate,
               const std::function<double(const Crowd&)>& peer_rate) {
  const Crowd large(bench.scaled(200'000)), small(bench.scaled(40'000));
  const double ours = our_rate(large), peer = peer_rate(small);
  const auto staged = [](const Crowd& crowd, auto side, double rate) {
    Stage stage({static_cast<std::int64_t>(crowd.size()), 1, {}});
    return side(stage, crowd, rate);
  };
  const auto pool = [](Stage& stage, const Crowd& crowd, double rate) {
    return peer_pool_open_loop(stage, crowd, 64, rate);
  };
  std::vector<Side> sides{{"flashsale", [&] { return staged(large, ours_open_loop, ours); }}};
  if (peer > 0) sides.push_back({"pool of 64 blocking hiredis connections", [&] { return staged(small, pool, peer); }});
  bench.compare({"rate_per_s", "p50_us", "p99_us", "p999_us"}, sides);
}

/// At the same rate for both; a rate that the peer does not reach is ours alone.
Workload open_loop_at(double rate, bool peer_reaches_it, int place) {
  return {fmt::format("open_loop_{}k", rate / 1000), fmt::format("the same at {:.0f} a second", rate),
          [=](Bench& bench) {
            open_loop(
                bench, [=](auto&) { return rate; }, [=](auto&) { return peer_reaches_it ? rate : 0; });
          },
          place};
}

const Registered kOpenLoop{
    {"open_loop", "arrivals at half of each one's own maximum rate, timed from when they were due",
     [](Bench& bench) {
       const auto stage_for = [](const Crowd& crowd) {
         return std::make_unique<Stage>(StageOptions{static_cast<std::int64_t>(crowd.size()), 1, {}});
       };
       open_loop(
           bench, [&](const Crowd& all) { return ours_async(*stage_for(all), all).at("accepted_per_s") / 2; },
           [&](const Crowd& all) { return peer_pool(*stage_for(all), all, 64).at("accepted_per_s") / 2; });
     },
     12}};
const Registered kSlowArrivals{open_loop_at(5'000, true, 12)};
const Registered kFastArrivals{open_loop_at(50'000, false, 13)};

}  // namespace
}  // namespace flashsale::bench
