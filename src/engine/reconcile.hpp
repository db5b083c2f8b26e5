/// Rebuilds a sale in Redis from the database under a new epoch. PROTOCOL section 10.
///
///   1 look at the primary -> 2 claim the row -> 3 close the gate -> 4 drain what survived, collect receipts
///   ^                            |                  |                    |     -> 5 rebuild -> 6 reopen
///   +--- claim lost, history changed, Redis torn ---+--------------------+------------+------------+
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/order_sink.hpp"
#include "util/stop.hpp"

namespace flashsale::engine {

enum class Loss : std::uint8_t {
  refuse,  ///< stop where the database went back
  accept,  ///< the operator's `reopen --accept-loss`: go on with what the database has, under an epoch above both
};

/// What a caller may want to know and to say while a reconcile runs.
struct ReconcileWatch {
  const util::StopSource* stop = nullptr;  ///< requested: give up soon, with `closed`; the next one starts again
  /// What an audit found: put right also if the sale looks in order, unless somebody has rebuilt it since (a later
  /// epoch than `audited`). Recorded with the claim.
  std::vector<RepairRow>* repair = nullptr;
  std::uint64_t audited = 0;
  milliseconds receipt_grace{2000};  ///< how long to wait for gates that hold receipts
  bool waits = true;                 ///< for a reconcile of somebody else; false: timed_out at once instead
  bool rebuilt = false;              ///< this very call finished a rebuild
};

/// Reconciles one sale in journal mode; a crash anywhere is finished by the next call, of anybody. Waits for a
/// reconcile of somebody else. Nothing to do is success.
/// Errors: not_found (the database has no such sale), conflict (the database went back; another database's sale;
/// retired, or its create is unfinished), unsupported, timed_out, and what the pool and the sink say.
Result<Done> reconcile(const std::shared_ptr<ConnectionPool>& pool, const std::shared_ptr<OrderSink>& sink,
                       std::string_view sale, Deadline deadline, Loss loss = Loss::refuse,
                       ReconcileWatch* watch = nullptr);

/// The same without a database, for list mode and for the operator alone: a new epoch on what this Redis has.
Result<Done> reopen_list(const std::shared_ptr<ConnectionPool>& pool, std::string_view sale, Deadline deadline);

}  // namespace flashsale::engine
