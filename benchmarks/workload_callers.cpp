// Blocking callers, from one to 1,024, and open-loop arrivals.
#include <fmt/format.h>

#include "ours.hpp"
#include "peers.hpp"

namespace flashsale::bench {
namespace {

/// Callers beside a pool with a thread and a connection for each of them, as one would run it.
Workload blocking(std::size_t callers, std::size_t crowd_size, int place) {
  const auto run = [=](Bench& bench) {
    const Crowd crowd(bench.scaled(crowd_size));
    const auto staged = [&](auto side) {
      return [&, side] {
        Stage stage({static_cast<std::int64_t>(crowd.size()), 1, {}});
        return side(stage, crowd, callers);
      };
    };
    bench.compare({"accepted_per_s", "p50_us", "p99_us", "p999_us"},
                  {{"flashsale", staged(ours_blocking)},
                   {fmt::format("pool of {} blocking hiredis connections", callers), staged(peer_pool)}});
  };
  return {fmt::format("blocking_{}", callers), fmt::format("{} blocking callers", callers), run, place};
}

const Registered kOne{blocking(1, 30'000, 5)};
const Registered kEight{blocking(8, 80'000, 6)};
const Registered kSixtyFour{blocking(64, 120'000, 7)};
const Registered kMany{blocking(256, 120'000, 8)};
const Registered kCrowdOfThreads{blocking(1024, 240'000, 9)};

const Registered kOpenLoop{
    {"open_loop", "arrivals at half of each one's own maximum rate, timed from when they were due",
     [](Bench& bench) {
       const Crowd probe(bench.scaled(200'000)), slow(bench.scaled(40'000));
       const auto stage_for = [](const Crowd& crowd) {
         return std::make_unique<Stage>(StageOptions{static_cast<std::int64_t>(crowd.size()), 1, {}});
       };
       const double ours_max = ours_async(*stage_for(probe), probe).at("accepted_per_s");
       const double peer_max = peer_pool(*stage_for(slow), slow, 64).at("accepted_per_s");
       bench.compare({"rate_per_s", "p50_us", "p99_us", "p999_us"},
                     {{"flashsale", [&] { return ours_open_loop(*stage_for(probe), probe, ours_max / 2); }},
                      {"pool of 64 blocking hiredis connections",
                       [&] { return peer_pool_open_loop(*stage_for(slow), slow, 64, peer_max / 2); }}});
     },
     12}};

}  // namespace
}  // namespace flashsale::bench
