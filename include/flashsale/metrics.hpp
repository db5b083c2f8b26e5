/// What the process's gates and workers did, as numbers.
#pragma once

#include <cstdint>
#include <string>

#include "flashsale/error.hpp"
#include "flashsale/outcome.hpp"

namespace flashsale {

/// A reading of the process's counters, each since the process began. Plain data. Counters that were written at the
/// same moment need not all be in it.
struct Metrics {
  std::uint64_t answers[16] = {};      ///< by the value of Outcome; of gates, whatever the verb
  std::uint64_t errors[14][2] = {};    ///< by the value of ErrorCode, negated, then by that of Effect
  std::uint64_t refused_locally = 0;   ///< of the answers: refusals that were known, so that Redis was not asked
  std::uint64_t batches = 0;           ///< that Redis answered
  std::uint64_t batched_requests = 0;  ///< the requests in them
  std::uint64_t round_trips = 0;       ///< of lanes, whatever was heard
  std::uint64_t resent_batches = 0;    ///< sent once more because nothing, or nothing of use, was heard
  std::uint64_t orders_committed = 0;  ///< by this process's workers
  std::uint64_t commits = 0;           ///< their transactions
  std::uint64_t dead_orders = 0;       ///< set aside by them
  std::uint64_t reconciles = 0;        ///< that they finished
  std::uint64_t receipts_saved = 0;    ///< acts that Redis had lost, brought back by this process's reconciles
  std::uint64_t receipts_lost = 0;     ///< acts told to callers of which gates or reconciles found that they are lost
  std::uint64_t receipts_dropped = 0;  ///< by gates, for want of room (GateOptions::receipts_max)
  std::uint64_t entries_behind = 0;    ///< a gauge: journal entries not in the database at their last look

  /// Answers with that outcome.
  std::uint64_t of(Outcome outcome) const { return answers[static_cast<std::size_t>(outcome) % 16]; }
  /// Errors with that code and effect.
  std::uint64_t of(ErrorCode code, Effect effect) const {
    return errors[static_cast<std::size_t>(-static_cast<int>(code)) % 14][effect == Effect::none ? 0 : 1];
  }
};

/// Reads them. Thread-safe; no I/O; some microseconds.
Metrics metrics();

/// The same in the Prometheus text format 0.0.4, with two histograms: requests of a batch, seconds of a round trip.
/// Serve it as `text/plain; version=0.0.4`. Thread-safe; no I/O.
///
///   flashsale_answers_total{outcome}            flashsale_errors_total{error,effect}
///   flashsale_refused_locally_total             flashsale_batch_requests (histogram)
///   flashsale_round_trip_seconds (histogram)    flashsale_round_trips_total
///   flashsale_resent_batches_total              flashsale_orders_committed_total
///   flashsale_commits_total                     flashsale_dead_orders_total
///   flashsale_reconciles_total                  flashsale_receipts_saved_total
///   flashsale_receipts_lost_total               flashsale_receipts_dropped_total
///   flashsale_entries_behind (gauge)            flashsale_redis_endpoints_total{server,version,path}
std::string metrics_text();

}  // namespace flashsale
