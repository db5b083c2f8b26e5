/// SaleController: the operator's side. Start here.
///
///   create -> open -> (pause <-> resume) -> drain -> close -> retire
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/audit.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/error.hpp"
#include "flashsale/options.hpp"
#include "flashsale/order_sink.hpp"
#include "flashsale/types.hpp"

namespace flashsale {

/// How won orders leave Redis; see order_queue.hpp.
enum class QueueMode : std::uint8_t { journal, list };
std::string_view name(QueueMode mode);  ///< "journal" or "list"

/// What is to be sold, and how. Owns its strings; each setter returns the sale, so that they chain.
class Sale {
 public:
  /// A sale without items yet; copies the id.
  explicit Sale(SaleId sale) : id(sale.text()) {}

  /// Adds an item: `units` 0..kUnitsMax for sale, at most `limit` of them (1..kQuantityMax) to one buyer.
  Sale& item(ItemId name, std::int64_t units, std::int64_t limit) {
    items.push_back({std::string(name.text()), units, limit, 0});
    return *this;
  }

  std::string id;                         ///< as SaleId
  std::vector<ItemRow> items;             ///< 1..kItemCountMax, no name twice
  std::optional<std::int64_t> opens_ms;   ///< Unix ms by Redis' clock: opens then, without an `open`
  std::optional<std::int64_t> closes_ms;  ///< Unix ms: ends then, without a `close`
  QueueMode queue = QueueMode::journal;   ///< how its orders leave Redis
  milliseconds hold{0};                   ///< how long a reservation holds units unconfirmed, 0: for ever; <= 30 days
  milliseconds probe{50};                 ///< how stale a process's knowledge of a refusal may be, 10 ms..5 s
  std::uint32_t replicas = 0;             ///< least number of replicas that level `replicas` waits for, 0..16
  std::uint32_t buyer_orders_max = 16;    ///< 1..kBuyerOrdersMax
};

/// A sale as Redis has it now.
struct SaleStatus {
  /// One item of it.
  struct Item {
    std::string item;         ///< as ItemId
    std::int64_t total = 0;   ///< units for sale
    std::int64_t booked = 0;  ///< units that are held, bought, or on their way back
    std::int64_t limit = 0;   ///< units that one buyer may hold
  };
  std::string sale;                      ///< as SaleId
  SaleState state = SaleState::created;  ///< where it stands
  QueueMode queue = QueueMode::journal;  ///< how its orders leave Redis
  bool fenced = false;         ///< Redis' history is not the sale's: nothing is sold until the worker reconciled
  std::int64_t now_ms = 0;     ///< Redis' clock
  std::int64_t opens_ms = 0;   ///< 0: not by itself
  std::int64_t closes_ms = 0;  ///< 0: never by itself
  std::int64_t hold_ms = 0;    ///< Sale::hold, like the rest
  std::int64_t probe_ms = 0;   ///< Sale::probe
  std::uint32_t replicas = 0;  ///< Sale::replicas
  std::uint32_t buyer_orders_max = 0;  ///< Sale::buyer_orders_max
  Position at;                         ///< the last entry written
  Position watermark;                  ///< the last entry known to be in the database; list mode: none
  std::uint64_t waiting = 0;           ///< entries (journal) or orders (list) not handed over yet
  std::uint64_t held = 0;              ///< orders whose hold runs: neither confirmed nor given back
  std::vector<Item> items;             ///< in the order of create

  /// What a page should call it now: not_started, open, paused, draining or ended, by state and schedule.
  std::string_view phase() const;
};

/// Controls sales. Thread-safe; construction does no I/O and cannot fail.
///
/// Acts on a sale in journal mode need the sink: the act is an entry, and the call returns when the database has it, so
/// it survives whatever happens next. Acts that let units be sold again return once they are in force, up to the
/// sale's probe time later. Every act blocks ControllerOptions::timeout at most and costs a few round trips and one
/// transaction. Acts that find the sale already so succeed and change nothing.
///
/// Errors of every act: invalid_argument, not_found, conflict (not from this state), unsupported (no sink), lost,
/// refused, closed (effect none); timed_out, disconnected (none or unknown: do it again); paused by the fence is
/// `refused` and says so.
class SaleController {
 public:
  /// Shares `pool` and `sink`, which list mode does without.
  explicit SaleController(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink = nullptr,
                          ControllerOptions options = {});

  /// Makes a sale; never overwrites one. Equal terms finish or repeat an earlier create; others are `conflict`, as is
  /// the id of a retired sale. With `opens_ms` it opens by itself; else with `open`.
  [[nodiscard]] Result<Done> create(const Sale& sale);
  /// Stores the public facts of an item (opaque, up to kInfoBytesMax bytes) for pages to read. Any number of times.
  [[nodiscard]] Result<Done> preload(SaleId sale, ItemId item, std::string_view info);
  /// Opens it now, whatever its schedule said. From created, open.
  [[nodiscard]] Result<Done> open(SaleId sale);
  /// Sets when it opens and closes by itself, judged by Redis' clock in the script. nullopt leaves that time as it is;
  /// closes_ms 0 is never. From created, open, paused.
  [[nodiscard]] Result<Done> schedule(SaleId sale, std::optional<std::int64_t> opens_ms,
                                      std::optional<std::int64_t> closes_ms);
  /// Sells nothing from the next batch on. From open, draining.
  [[nodiscard]] Result<Done> pause(SaleId sale);
  /// Sells again. From paused, draining.
  [[nodiscard]] Result<Done> resume(SaleId sale);
  /// Sells nothing more while what was sold is handed over. From open, paused.
  [[nodiscard]] Result<Done> drain(SaleId sale);
  /// Ends the sale for good. From every state.
  [[nodiscard]] Result<Done> close(SaleId sale);
  /// Adds `units` (negative: takes away, never below what is booked) to an item's total, once for each `operation`.
  /// `conflict` if the operation was used with other arguments, or if less than `units` is unsold.
  [[nodiscard]] Result<Done> restock(SaleId sale, ItemId item, std::int64_t units, OperationId operation);
  /// Removes a closed sale from Redis once everything it sold was handed over; its id is never used again where there
  /// is a sink. `conflict` until then. It is fenced first; cut off there, the next `retire` goes on, unless a worker
  /// has reconciled the sale meanwhile.
  [[nodiscard]] Result<Done> retire(SaleId sale);

  /// The sale as Redis has it, from a replica where one is fit. One or two round trips.
  [[nodiscard]] Result<SaleStatus> status(SaleId sale, Role from = Role::replica);
  /// What preload stored, item by item; from a replica where one is fit. Items without are left out. One round trip.
  [[nodiscard]] Result<std::vector<std::pair<std::string, std::string>>> info(SaleId sale);

  /// Rebuilds a sale whose Redis lost its history from the database, and sells on (see order_worker.hpp). Also ends a
  /// pause that somebody else's reconcile left. Blocks `deadline` at most; safe to run anywhere, any number of times.
  [[nodiscard]] Result<Done> reconcile(SaleId sale, Deadline deadline);
  /// For the operator alone, when Redis or the database went back and nothing can be proven: goes on with what Redis
  /// (list mode) or the database (journal mode) has now, under a new epoch. What only the other one knew is lost.
  [[nodiscard]] Result<Done> reopen_accepting_loss(SaleId sale, Deadline deadline);

  /// The orders that the worker set aside, by id, and what was decided about each. Needs the sink; one transaction.
  [[nodiscard]] Result<std::vector<DeadRow>> dead(SaleId sale);
  /// Makes a dead order an order again, reserved, with a new hold where the sale has holds. `conflict` while its cause
  /// is still there (which is named), or if it was dropped; `not_found` if it was not set aside. The decision is kept
  /// in the database, and repeating it is harmless.
  [[nodiscard]] Result<Done> dead_retry(SaleId sale, OrderId order);
  /// Gives a dead order up: its buyer hears `already_released`, its units and the buyer's limit are free. `conflict` if
  /// it was retried. Else as dead_retry.
  [[nodiscard]] Result<Done> dead_drop(SaleId sale, OrderId order);

  /// Every repair of the sale, the oldest first: who asked for it, when, and each difference that it put right. Needs
  /// the sink; one transaction.
  [[nodiscard]] Result<std::vector<RepairRow>> repairs(SaleId sale);
  /// Compares Redis and the database, order by order, at a moment at which both stand still; a sale that never does is
  /// `busy`: pause it first. With `repair`, differences are put right as a reconcile does: Redis is rebuilt from the
  /// database, under a new epoch, and compared again. What was found is recorded first, with who asked (`repairs`); no
  /// order of the database is touched, and a sale without differences is neither rebuilt nor recorded. Blocks
  /// `deadline` at most; about a second and a rebuild for 100,000 orders. Errors: as reconcile's, and busy.
  [[nodiscard]] Result<AuditReport> audit(SaleId sale, bool repair, Deadline deadline);

 private:
  std::shared_ptr<ConnectionPool> pool_;
  std::shared_ptr<OrderSink> sink_;
  ControllerOptions options_;
};

}  // namespace flashsale
