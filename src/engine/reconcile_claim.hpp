/// A reconcile's claim on a sale's row: while it lasts, no worker commits, and nobody else reconciles.
///
///   free --take--> ours, beating --finish or let_go--> free
///    ^               |
///    +-- no beat for kClaimSilence: anybody may take it over, and our next transaction finds that out
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

inline constexpr milliseconds kClaimSilence{5000};  ///< by the database's clock
inline constexpr milliseconds kClaimBeat{1000};
inline constexpr milliseconds kClaimCallTimeout{2000};  ///< of one round trip or transaction under a claim

/// A writing transaction with the sale's row locked and still ours.
struct HeldRow {
  std::unique_ptr<SinkTransaction> transaction;
  SaleRow row;
};

/// Thread-bound. One claim may be taken again, by the same reconcile, with a higher epoch each time.
class ReconcileClaim {
 public:
  ReconcileClaim(OrderSink& sink, std::string sale);

  /// Whether `row` may be claimed at the database's `now_ms`: by nobody, by us already, or by somebody silent.
  bool is_free(const SaleRow& row, std::int64_t now_ms) const;

  /// Claims the locked `row` under `epoch` and commits `transaction`.
  Result<Done> take(SinkTransaction& transaction, const SaleRow& row, std::uint64_t epoch);

  /// Begins a transaction that also beats, if it commits; nothing if the claim was lost.
  Result<std::optional<HeldRow>> open(Deadline deadline);

  /// Beats if it is time to. False: the claim was lost.
  Result<bool> beat(Deadline deadline);

  /// Puts fence_epoch back to what it was before `take`, as if it had not been: it must not grow by attempts that were
  /// refused, since what tells that the database went back is that number.
  Result<Done> undo(Deadline deadline);

  /// On an unfinished end: the next reconcile need not wait for our silence. Best effort.
  void let_go(Deadline deadline);

  std::uint64_t epoch() const { return epoch_; }
  const std::string& uuid() const { return uuid_; }
  std::string rec() const { return std::to_string(epoch_) + " " + uuid_; }  ///< meta.rec
  void finished() { epoch_ = 0; }

 private:
  OrderSink& sink_;
  const std::string sale_;
  const std::string uuid_;
  std::uint64_t epoch_ = 0;  // 0: not taken
  std::uint64_t epoch_before_ = 0;
  std::string uuid_before_;
  std::chrono::steady_clock::time_point beaten_{};
};

}  // namespace flashsale::engine
