// The asynchronous crowd, under each kind of server, and what it costs us.
#include <fmt/format.h>

#include "ours.hpp"
#include "peers.hpp"

namespace flashsale::bench {
namespace {

struct Sizes {
  std::size_t ours, peer;  ///< buyers; a peer gets fewer where it would take minutes
};

/// The crowd against every peer. `server` is how Redis is run and reached.
void crowd_against_peers(Bench& bench, const std::vector<std::string>& metrics, Server server, Sizes sizes,
                         std::size_t payload_bytes = 60, bool all_peers = true) {
  const Crowd large(bench.scaled(sizes.ours), payload_bytes), small(bench.scaled(sizes.peer), payload_bytes);
  const auto staged = [server](const Crowd& crowd, auto run) {
    Stage stage({static_cast<std::int64_t>(crowd.size()), 1, server});
    return run(stage, crowd);
  };
  std::vector<Side> sides{
      {"flashsale", [&] { return staged(large, [](auto& stage, auto& crowd) { return ours_async(stage, crowd); }); }},
      {"pool of 64 blocking hiredis connections",
       [&] { return staged(small, [](auto& stage, auto& crowd) { return peer_pool(stage, crowd, 64); }); }}};
  if (all_peers) {
    sides.push_back(
        {"the same, EVALSHA then LPUSH",
         [&] { return staged(small, [](auto& stage, auto& crowd) { return peer_evalsha_lpush(stage, crowd, 64); }); }});
    const auto ioredis = ioredis_sides(bench, [&](bool piped) {
      return staged(small,
                    [&](auto& stage, auto& crowd) { return peer_ioredis(stage, crowd, piped ? 1024 : 64, piped); });
    });
    sides.insert(sides.end(), ioredis.begin(), ioredis.end());
  }
  bench.compare(metrics, sides);
}

const Registered kCrowd{{"crowd_async", "one submitting thread, 16,384 calls in flight, every call wins",
                         [](Bench& bench) {
                           crowd_against_peers(bench, {"accepted_per_s"}, {}, {400'000, 60'000});
                         },
                         1}};

const Registered kFsync{{"crowd_async_fsync", "the same, with appendonly yes and appendfsync always",
                         [](Bench& bench) {
                           Server server;
                           server.fsync_always = true;
                           crowd_against_peers(bench, {"accepted_per_s"}, server, {200'000, 20'000});
                         },
                         2}};

const Registered kTcp{{"crowd_async_tcp", "the same over loopback TCP",
                       [](Bench& bench) {
                         Server server;
                         server.tcp = true;
                         crowd_against_peers(bench, {"accepted_per_s"}, server, {400'000, 60'000}, 60, false);
                       },
                       3}};

const Registered kLatency{{"latency_1ms", "the same, with 1 ms added to every round trip",
                           [](Bench& bench) {
                             Server server;
                             server.latency = std::chrono::milliseconds(1);
                             crowd_against_peers(bench, {"accepted_per_s"}, server, {300'000, 40'000});
                           },
                           4}};

const Registered kPayload{{"payload_1k", "the same, with a payload of 1 KiB",
                           [](Bench& bench) {
                             crowd_against_peers(bench, {"accepted_per_s"}, {}, {150'000, 40'000}, 1024);
                           },
                           20}};

const Registered kCpu{{"cpu_per_order", "CPU of the client's process per accepted order, user and system",
                       [](Bench& bench) {
                         crowd_against_peers(bench, {"cpu_us_per_order"}, {}, {400'000, 60'000}, 60, false);
                       },
                       15}};

const Registered kSales{{"several_sales", "the asynchronous crowd spread over 8 sales; the peers sell one",
                         [](Bench& bench) {
                           const Crowd large(bench.scaled(400'000)), small(bench.scaled(60'000));
                           bench.compare({"accepted_per_s"},
                                         {{"flashsale",
                                           [&] {
                                             Stage stage({static_cast<std::int64_t>(large.size()), 8, {}});
                                             return ours_async(stage, large);
                                           }},
                                          {"pool of 64 blocking hiredis connections", [&] {
                                             Stage stage({static_cast<std::int64_t>(small.size()), 1, {}});
                                             return peer_pool(stage, small, 64);
                                           }}});
                         },
                         21}};

const Registered kSizes{
    {"sell_out", "10,000, 100,000 and 1,000,000 units to as many buyers, asynchronously",
     [](Bench& bench) {
       for (const std::size_t units : {10'000, 100'000, 1'000'000}) {
         const Crowd crowd(bench.scaled(units));
         const auto staged = [&](auto side) {
           Stage stage({static_cast<std::int64_t>(units), 1, {}});
           return side(stage);
         };
         std::vector<Side> sides{
             {"flashsale", [&] { return staged([&](Stage& stage) { return ours_async(stage, crowd); }); }}};
         if (units <= 100'000)  // a million would take it a minute
           sides.push_back({fmt::format("pool of 64 blocking hiredis connections, {} units", units),
                            [&] { return staged([&](Stage& stage) { return peer_pool(stage, crowd, 64); }); }});
         else
           sides[0].name = fmt::format("flashsale, {} units", units);
         bench.compare({"accepted_per_s"}, sides);
       }
     },
     22}};

const Registered kMemory{{"memory_per_winner", "bytes of Redis a winner beside its payload of 60, all in the journal",
                          [](Bench& bench) {
                            const Crowd crowd(bench.scaled(100'000));
                            const auto bytes = [&](auto run) {
                              Stage stage({static_cast<std::int64_t>(crowd.size()), 1, {}});
                              const double before = stage.used_memory();
                              run(stage);
                              const double each = (stage.used_memory() - before) / static_cast<double>(crowd.size());
                              return Score{{"bytes_per_winner", each - static_cast<double>(crowd.payload.size())}};
                            };
                            bench.compare(
                                {"bytes_per_winner"},
                                {{"flashsale", [&] { return bytes([&](Stage& stage) { ours_async(stage, crowd); }); }},
                                 {"the same script, one request a call",
                                  [&] { return bytes([&](Stage& stage) { peer_pool(stage, crowd, 8); }); }}});
                          },
                          14}};

}  // namespace
}  // namespace flashsale::bench
