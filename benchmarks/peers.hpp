/// What users would run instead of us, with the same script and so the same guarantees.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "bench.hpp"
#include "stage.hpp"
#include "support/recorded_crowd.hpp"

namespace flashsale::bench {

/// Peer (a): `threads` threads, each with a blocking hiredis connection of its own, one request a call.
/// Scores accepted_per_s, cpu_us_per_order, p50_us, p99_us, p999_us.
Score peer_pool(Stage& stage, const Crowd& crowd, std::size_t threads);

/// Peer (b): as (a), in the seed's own sequence: EVALSHA decides, then the winner's order goes by LPUSH to a list.
Score peer_evalsha_lpush(Stage& stage, const Crowd& crowd, std::size_t threads);

/// Peer (a) on a sale that is sold out: every request is refused by Redis. Scores refusals_per_s.
Score peer_pool_refusals(Stage& stage, const Crowd& crowd, std::size_t threads);

/// Peer (a) that sends the recorded crowd to each of the stage's sales, a thread a sale at a time.
/// Returns how often each letter of lua/reserve.lua was heard, and how long it took.
struct RecordedRun {
  std::map<char, std::size_t> heard;
  double seconds = 0;
};
RecordedRun peer_pool_recorded(Stage& stage, const std::vector<test::Attempt>& attempts, std::size_t threads);

/// Peer (a) that waits for `stage.replicas` after each call, as a client without batches must.
Score peer_wait(Stage& stage, const Crowd& crowd, std::size_t threads);

/// Peer (a) under arrivals at `rate_per_s`, timed from when each was due.
Score peer_pool_open_loop(Stage& stage, const Crowd& crowd, std::size_t threads, double rate_per_s);

/// Peer (c): ioredis under Node.js, `in_flight` promises at a time, plain or with enableAutoPipelining.
Score peer_ioredis(Stage& stage, const Crowd& crowd, std::size_t in_flight, bool auto_pipelined);

/// Why peer (c) cannot run here, after trying to install it with npm into the build tree; nothing if it can.
std::optional<std::string> ioredis_is_missing();

/// The two kinds of ioredis as sides; or a visible skip, and none.
std::vector<Side> ioredis_sides(Bench& bench, const std::function<Score(bool auto_pipelined)>& run);

}  // namespace flashsale::bench
