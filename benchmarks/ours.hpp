/// Our side of the workloads on the crowd. Each run checks its stage before it returns.
#pragma once

#include "bench.hpp"
#include "stage.hpp"

namespace flashsale::bench {

/// What a run of the crowd came to.
struct Ran {
  std::uint64_t accepted = 0;
  double seconds = 0;
  double cpu = 0;
  Score score() const {
    const auto orders = static_cast<double>(accepted);
    return {{"accepted_per_s", orders / seconds}, {"cpu_us_per_order", cpu * 1e6 / orders}};
  }
};

/// The crowd over `sales` of `pool`, slice by slice in turn; checks nothing. With `sink` the gate keeps receipts.
Ran async_crowd(const std::shared_ptr<ConnectionPool>& pool, const std::vector<std::string>& sales, const Crowd& crowd,
                std::size_t in_flight, const GateOptions& options, std::shared_ptr<OrderSink> sink = nullptr);

/// One thread submits the whole crowd, in slices, with at most `in_flight` calls unanswered, and drains the answers.
/// Scores accepted_per_s and cpu_us_per_order.
Score ours_async(Stage& stage, const Crowd& crowd, std::size_t in_flight = 16'384, GateOptions options = {});

/// `threads` blocking callers share the crowd. Scores accepted_per_s, p50_us, p99_us, p999_us.
Score ours_blocking(Stage& stage, const Crowd& crowd, std::size_t threads);

/// Arrivals at `rate_per_s`, each timed from the moment at which it was due: a system that lags is charged for the lag.
/// Scores rate_per_s, p50_us, p99_us, p999_us.
Score ours_open_loop(Stage& stage, const Crowd& crowd, double rate_per_s);

}  // namespace flashsale::bench
