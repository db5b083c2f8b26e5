/// The database's plug: where won orders end, and the authority on what was sold.
///
/// A sink only stores and counts; what an entry means, which epoch may write and what to do with an order that does
/// not fit is decided once, in the worker. `make_sink` gives SQLite and PostgreSQL; `tests/sinks/sink_conformance.hpp`
/// tells you whether your own does it right.
///
///   flashsale_sale       one row a sale: state, terms, fence_epoch, watermark (epoch, seq), link, reconcile's claim
///   flashsale_item       check (sold between 0 and total)
///   flashsale_order      primary key (sale, epoch, seq, idx), unique (sale, buyer, request)
///   flashsale_holding    units held per buyer and item: check (held between 0 and the item's limit)
///   flashsale_dead       orders set aside, with the reason
///   flashsale_operation  restocks that happened
///   flashsale_repair     what an audit found and a rebuild put right, who asked for it and when
///   flashsale_receipt    what gates told their callers, handed in for a reconcile
///   flashsale_receipt_holder  which gates hold such receipts, and when they were last heard of
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/error.hpp"
#include "flashsale/order_queue.hpp"
#include "flashsale/types.hpp"

namespace flashsale {

/// Where a sale stands. In Redis only the middle five occur; `creating` and `retired` are known to the database alone.
enum class SaleState : std::uint8_t { creating, created, open, paused, draining, closed, retired };
std::string_view name(SaleState state);                      ///< for instance "draining"
std::optional<SaleState> sale_state(std::string_view name);  ///< back from its name; nothing if it is none

/// What became of an order, as the database has it.
enum class OrderState : std::uint8_t { reserved, confirmed, released, expired };
std::string_view name(OrderState state);                       ///< for instance "confirmed"
std::optional<OrderState> order_state(std::string_view name);  ///< back from its name; nothing if it is none

/// An item of a sale.
struct ItemRow {
  std::string item;        ///< as ItemId
  std::int64_t total = 0;  ///< units for sale
  std::int64_t limit = 0;  ///< units that one buyer may hold
  std::int64_t sold = 0;   ///< units of the orders that hold stock; put_sale ignores it for an item that exists
};

/// A sale.
struct SaleRow {
  std::string sale;                       ///< as SaleId
  SaleState state = SaleState::creating;  ///< where its entries brought it
  std::string uuid;                       ///< of the create that made the row
  std::int64_t opens_ms = 0;              ///< Unix ms by Redis' clock
  std::int64_t closes_ms = 0;             ///< 0: never by itself
  std::int64_t hold_ms = 0;               ///< 0: no holds
  std::int64_t probe_ms = 0;              ///< how stale a refusal may be
  std::uint32_t replicas = 0;             ///< least number of replicas for level `replicas`
  std::uint32_t buyer_orders_max = 0;     ///< orders that one buyer may have
  std::uint64_t fence_epoch = 0;          ///< only this epoch, or reconcile's holder, may commit
  Position watermark{};                   ///< the last entry applied
  std::string link;                       ///< its nonce
  std::string rec_uuid;                   ///< who reconciles; empty: nobody
  std::int64_t rec_beat_ms = 0;           ///< when that was last heard of, by the database's clock
  std::vector<ItemRow> items;             ///< in the order of create, which never changes
};

/// An order.
struct OrderRow {
  Order order;                              ///< as it was won
  OrderState state = OrderState::reserved;  ///< what became of it
  bool credited = true;                     ///< false: released or expired here, its units not yet back in Redis
};

/// What the operator decided about an order that was set aside.
enum class DeadFate : std::uint8_t {
  dead,     ///< nothing yet
  retried,  ///< it is an order again
  dropped,  ///< it is given up, its units are for sale again
};
std::string_view name(DeadFate fate);                      ///< for instance "dropped"
std::optional<DeadFate> dead_fate(std::string_view name);  ///< back from its name; nothing if it is none

/// An order set aside.
struct DeadRow {
  Order order;                     ///< as far as it reads
  std::string reason;              ///< OVERSOLD, OVER_LIMIT, or what the database said
  Position at;                     ///< the entry that held it
  bool told = false;               ///< true: its buyer's record in Redis says so
  DeadFate fate = DeadFate::dead;  ///< what became of it since
};

/// A restock that happened.
struct OperationRow {
  std::string operation;   ///< as OperationId
  std::string item;        ///< of which item
  std::int64_t units = 0;  ///< how many more, or fewer
};

/// A difference that a repair put right: of an item's sum, or of one order. Each repair has its row of every one that
/// the audit before it named.
struct RepairRow {
  std::string repair;            ///< which repair: a name drawn at random
  std::string by;                ///< who asked for it
  std::int64_t at_ms = 0;        ///< when, by the database's clock
  std::string item;              ///< which item; empty: none of the sale's
  std::int64_t difference = 0;   ///< units: more than 0 OVERSOLD, less LEAKED, 0: only a state differed
  OrderId order;                 ///< no order: it is the item's sum
  std::string buyer;             ///< of the order, as far as it reads
  std::string request;           ///< of the order
  std::string why;               ///< of the order: both sides, in a line for a person
  std::uint64_t done_epoch = 0;  ///< the epoch under which Redis was rebuilt; 0: not yet, for it was cut off
};

/// What a gate told a caller below level `database`, kept by the gate until the database has it.
struct Receipt {
  Verb act = Verb::reserve;  ///< reserve, confirm or release
  Position at;               ///< the entry that held the act, or a later one of its epoch
  Order order;               ///< of confirm and release: only id, buyer and request
};

/// A gate that holds receipts of a sale.
struct ReceiptHolder {
  std::string holder;              ///< the gate's own name
  std::int64_t beat_ms = 0;        ///< when it was last heard of, by the database's clock
  std::uint64_t handed_epoch = 0;  ///< the fence_epoch for which it has handed in what it held
};

/// What became of one order handed to insert_orders.
enum class Insert : std::uint8_t {
  inserted,
  same,        ///< this very order is there already: same id, buyer, item, quantity and request
  conflict,    ///< another order has its id, or its buyer and request
  oversold,    ///< the item's sold would pass its total, or there is no such item
  over_limit,  ///< the buyer's held would pass the item's limit
  poison,      ///< the database cannot store these bytes
};

/// One transaction. Destroyed without commit it is rolled back. Thread-bound.
/// Every method fails with: busy (locked until the deadline), disconnected, refused (full, read-only, permission),
/// internal; after a failure only destruction is left. An absent sale is no failure unless said.
class SinkTransaction {
 public:
  virtual ~SinkTransaction() = default;

  /// The sale's row with its items, locked against every other writer until the end; nothing if there is none.
  virtual Result<std::optional<SaleRow>> lock_sale(SaleId sale) = 0;
  /// Writes all columns of the row and its items' totals and limits, inserting what is not there; `sold` of items is
  /// only written on insert.
  virtual Result<Done> put_sale(const SaleRow& row) = 0;
  /// Every sale in a state other than `retired`, by name; or all of them.
  virtual Result<std::vector<SaleRow>> sales(bool with_retired) = 0;

  /// Inserts orders in state `reserved`, each with its item's sold and its buyer's held, or not at all; one verdict
  /// each, in order. An order that fails touches nothing and does not disturb the others.
  virtual Result<std::vector<Insert>> insert_orders(SaleId sale, const Order* orders, std::size_t count) = 0;
  /// Moves each order that is `reserved` to `to`. released and expired also take it off sold and held and mark it not
  /// credited. One flag each: false if no such reserved order matched (id and buyer).
  virtual Result<std::vector<bool>> move_orders(SaleId sale, OrderState to, const Order* orders, std::size_t count) = 0;

  /// Orders of whole buyers, by buyer then id, beginning after `after_buyer`, about `count` of them. Empty: the end.
  virtual Result<std::vector<OrderRow>> orders_by_buyer(SaleId sale, std::string_view after_buyer,
                                                        std::size_t count) = 0;
  /// Up to `count` orders by id, beginning after `after`, without their payloads: how a rebuild reads a whole sale, in
  /// the order in which it was written. Empty: the end.
  virtual Result<std::vector<OrderRow>> orders_by_id(SaleId sale, OrderId after, std::size_t count) = 0;
  /// One buyer's order for a request, if it is there.
  virtual Result<std::optional<OrderRow>> find_order(SaleId sale, BuyerId buyer, RequestId request) = 0;
  /// Up to `count` orders not credited yet, oldest first.
  virtual Result<std::vector<OrderRow>> uncredited(SaleId sale, std::size_t count) = 0;
  /// Marks these orders as credited.
  virtual Result<Done> mark_credited(SaleId sale, const OrderId* orders, std::size_t count) = 0;

  /// Sets an order aside (the same one twice is one row); its id, reason and raw bytes are kept.
  virtual Result<Done> set_aside(SaleId sale, const DeadRow& dead) = 0;
  /// Rows set aside, by order id: all, or only those not told.
  virtual Result<std::vector<DeadRow>> dead(SaleId sale, bool only_untold) = 0;
  /// Writes the fate and the hold's deadline of a row whose fate is `dead` still, as one not told; false if there is no
  /// such row.
  virtual Result<bool> decide_dead(SaleId sale, const DeadRow& decided) = 0;
  /// Marks these rows as told of the fate that they are given with; one that has another fate meanwhile, as not told.
  virtual Result<Done> mark_told(SaleId sale, const DeadRow* rows, std::size_t count) = 0;

  /// Records a restock; false if this operation of this sale was recorded before.
  virtual Result<bool> put_operation(SaleId sale, OperationId operation, ItemId item, std::int64_t units) = 0;
  /// Every recorded restock of the sale, by operation id.
  virtual Result<std::vector<OperationRow>> operations(SaleId sale) = 0;

  /// Writes what a repair is about to put right, in this order; a repair that is there already stays as it is.
  virtual Result<Done> put_repair(SaleId sale, const RepairRow* rows, std::size_t count) = 0;
  /// Marks every repair of the sale that is not done as done under `epoch`.
  virtual Result<Done> finish_repairs(SaleId sale, std::uint64_t epoch) = 0;
  /// Every repair of the sale, the oldest first, its rows in their order.
  virtual Result<std::vector<RepairRow>> repairs(SaleId sale) = 0;

  /// Writes receipts; one that is there already, by act and order id, stays as it is.
  virtual Result<Done> put_receipts(SaleId sale, const Receipt* receipts, std::size_t count) = 0;
  /// Up to `count` receipts of one act, by order id, beginning after `after`. Empty: the end.
  virtual Result<std::vector<Receipt>> receipts(SaleId sale, Verb act, OrderId after, std::size_t count) = 0;
  /// Forgets every receipt that is not later than `until`; how many that were.
  virtual Result<std::size_t> drop_receipts(SaleId sale, Position until) = 0;
  /// Writes a holder's row, also over its old one.
  virtual Result<Done> put_receipt_holder(SaleId sale, const ReceiptHolder& holder) = 0;
  /// Every holder of the sale, by name.
  virtual Result<std::vector<ReceiptHolder>> receipt_holders(SaleId sale) = 0;
  /// Forgets the holders that were last heard of before `beat_ms`.
  virtual Result<Done> drop_receipt_holders(SaleId sale, std::int64_t beat_ms) = 0;

  /// The database's clock, Unix ms.
  virtual Result<std::int64_t> now_ms() = 0;

  /// Makes it durable. On an error with effect unknown it may or may not be: read the watermark again.
  virtual Result<Done> commit() = 0;
};

/// A database. Thread-safe; construction does no I/O, the first transaction connects and migrates the schema.
class OrderSink {
 public:
  /// What a transaction is for.
  enum class Access : std::uint8_t { read, write };

  virtual ~OrderSink() = default;

  /// Begins a transaction; one for writing holds the database's write lock where it has just one (SQLite). `deadline`
  /// bounds the wait for locks, here and in each statement.
  /// Errors: as SinkTransaction's, and unsupported (the schema is newer than this library; its version is named).
  virtual Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) = 0;

  /// The database's own name, made once with its schema: a sale remembers it, so that a worker with another database
  /// is refused.
  virtual Result<std::string> id(Deadline deadline) = 0;

  /// What to call it in a message: no secrets.
  virtual std::string describe() const = 0;
};

/// Makes a sink: `sqlite:PATH`, `PATH` (SQLite), or `postgresql://...`. Parses only, the first transaction connects.
/// The scheme's module, `flashsale_sink_<scheme>.so`, is loaded from the folder in FLASHSALE_SINKS, else beside the
/// library or program, else from where the library was installed.
/// Errors: invalid_argument, unsupported (no module for the scheme, or one of another version: where it was looked
/// for).
[[nodiscard]] Result<std::shared_ptr<OrderSink>> make_sink(std::string_view url);

}  // namespace flashsale
