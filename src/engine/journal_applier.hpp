/// Carries one sale's journal into the sink, a transaction at a time. PROTOCOL section 5.
///
/// Both the worker and, for the length of one act, the controller are appliers; any number may run on one sale.
///
///   row --> look at Redis --> nothing new: settle what Redis was not told, done
///                        \--> lock the row --> moved by another: read again
///                                         \--> judge, apply, move the watermark, commit --> settle
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/entry_applier.hpp"
#include "engine/sale_standing.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/options.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

struct Progress {
  std::uint64_t entries = 0;  ///< applied by this step
  std::uint64_t orders = 0;   ///< inserted by this step
  std::uint64_t dead = 0;     ///< set aside by this step
  std::uint64_t behind = 0;   ///< entries that were in the journal at the look and are not in the database yet
  Position watermark;         ///< the database's, after the step
  bool caught_up = false;     ///< nothing more was in the journal when it was read
};

/// What an applier has committed in its life.
struct Totals {
  std::uint64_t orders = 0;
  std::uint64_t dead = 0;
  std::uint64_t commits = 0;
};

/// Thread-bound. Keeps what it learned between steps, and trusts only the locked row.
class JournalApplier {
 public:
  JournalApplier(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, std::string sale,
                 std::size_t orders_per_commit = 1000);

  /// Reads entries after the database's watermark, applies them in one transaction, then settles in Redis.
  /// Errors for which waiting is no help: conflict (this is not the sale's database; a gap; a link that does not fit;
  /// the database went back), unsupported. refused with needs_reconcile(): the fence fired or a reconcile is under way.
  Result<Progress> step(Deadline deadline);

  /// True if the last step was refused because only a reconcile can go on.
  bool needs_reconcile() const { return needs_reconcile_; }
  /// True if the last step was refused because the journal does not go on where the database ends. Nothing heals that
  /// by itself, but whoever emptied the journal may have it back, so it is worth another look.
  bool has_gap() const { return has_gap_; }
  /// Entries that Redis had and the database had not at the last look that saw both.
  std::uint64_t behind() const { return behind_; }
  /// Also what was committed by a step that failed afterwards.
  const Totals& totals() const { return totals_; }

 private:
  Result<Progress> advance(Deadline deadline);
  Result<Progress> rest(const SaleRow& row, const RedisSide& side, Deadline deadline);
  Result<Progress> apply(const SaleRow& before, RedisSide& side, Deadline deadline);
  Result<Applied> apply_entries(SinkTransaction& transaction, SaleRow& row, RedisSide& side);
  Result<Done> tell(const SaleRow& row, const Applied& applied, Deadline deadline);
  Result<Done> pause_redis(const SaleRow& row, Deadline deadline);
  Result<Done> learn_sink_id(Deadline deadline);
  void count(const Applied& applied);
  Error refuse(const Judgement& judgement);

  std::shared_ptr<ConnectionPool> pool_;
  std::shared_ptr<OrderSink> sink_;
  std::string sale_;
  std::size_t orders_per_commit_;
  std::size_t entries_per_read_ = 16;
  std::string sink_id_;
  bool needs_reconcile_ = false;
  bool has_gap_ = false;
  std::uint64_t behind_ = 0;
  std::string alarmed_;  // the conflict that was told last
  Totals totals_;
};

/// Steps until the database's watermark has reached `until`. Errors: as step, and timed_out.
Result<Done> apply_until(const std::shared_ptr<ConnectionPool>& pool, const std::shared_ptr<OrderSink>& sink,
                         std::string_view sale, Position until, Deadline deadline);

}  // namespace flashsale::engine
