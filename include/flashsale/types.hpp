/// The words of a sale as types: ids, positions, the calls a gate takes.
///
/// Ids are views: they borrow the caller's bytes for the length of one call and are checked where the call enters.
/// They are explicit types, so that five strings in a row cannot be swapped.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flashsale {

/// A point on the monotonic clock by which a call has ended.
using Deadline = std::chrono::steady_clock::time_point;
using std::chrono::milliseconds;

// Bounds, all inclusive; a value outside is `invalid_argument` and names the field.
inline constexpr std::size_t kIdBytesMax = 64;            ///< sale, item, buyer, request, operation: 1..64 bytes
inline constexpr std::size_t kItemCountMax = 64;          ///< items of one sale: 1..64
inline constexpr std::uint32_t kQuantityMax = 1'000'000;  ///< units of one request: 1..1,000,000
inline constexpr std::int64_t kUnitsMax = 2'147'483'647;  ///< units of one item: 0..2^31-1
inline constexpr std::size_t kPayloadBytesMax = 65'536;   ///< payload, the hard bound; GateOptions has a lower one
inline constexpr std::size_t kInfoBytesMax = 16'384;      ///< preloaded public facts of one item
inline constexpr std::uint32_t kBuyerOrdersMax = 64;      ///< orders of one buyer in one sale, in every state
inline constexpr std::size_t kOperationCountMax = 1'000;  ///< restocks of one sale
inline constexpr milliseconds kTimeoutMax{30'000};        ///< of any call of a gate: 1 ms..30 s

/// One kind of identifier; `Kind` only keeps the kinds apart. Thread-compatible; does not own its bytes.
template <class Kind>
class Id {
 public:
  /// Empty, which no id may be.
  constexpr Id() = default;
  /// Borrows `text`; nothing is checked here.
  constexpr explicit Id(std::string_view text) : text_(text) {}
  /// The bytes.
  constexpr std::string_view text() const { return text_; }
  /// @{ By bytes.
  friend constexpr bool operator==(Id a, Id b) { return a.text_ == b.text_; }
  friend constexpr bool operator!=(Id a, Id b) { return a.text_ != b.text_; }
  /// @}

 private:
  std::string_view text_;
};

using SaleId = Id<struct SaleKind>;            ///< one event; bytes of [A-Za-z0-9_.:-]; never used again once retired
using ItemId = Id<struct ItemKind>;            ///< one SKU in a sale; bytes of [A-Za-z0-9_.-]
using BuyerId = Id<struct BuyerKind>;          ///< who buys; bytes of [A-Za-z0-9_.:@-]
using RequestId = Id<struct RequestKind>;      ///< one purchase intent of a buyer; as BuyerId; keep it for retries
using OperationId = Id<struct OperationKind>;  ///< one restock, so that a repeated one counts once; as BuyerId

/// A place in a sale's journal. Pairs compare as pairs: a later epoch is ahead whatever its seq.
struct Position {
  std::uint64_t epoch = 0;  ///< one more after each reconcile; 0 is "nowhere yet"
  std::uint64_t seq = 0;    ///< one more for each entry; 0 is the epoch's marker

  /// @{ By epoch, then seq.
  friend constexpr bool operator==(Position a, Position b) { return a.epoch == b.epoch && a.seq == b.seq; }
  friend constexpr bool operator!=(Position a, Position b) { return !(a == b); }
  friend constexpr bool operator<(Position a, Position b) {
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.seq < b.seq;
  }
  friend constexpr bool operator<=(Position a, Position b) { return !(b < a); }
  friend constexpr bool operator>(Position a, Position b) { return b < a; }
  friend constexpr bool operator>=(Position a, Position b) { return !(a < b); }
  /// @}
};

/// The name of a won request, written `<epoch>-<seq>.<index>`, for instance `1-7.0`. Unique within its sale.
struct OrderId {
  Position at;              ///< the journal entry that holds the order; epoch 0 means "no order"
  std::uint32_t index = 0;  ///< its place in the batch that was sent; gaps are normal

  /// Whether there is an order.
  explicit operator bool() const { return at.epoch != 0; }
  /// @{ By position, then index.
  friend constexpr bool operator==(OrderId a, OrderId b) { return a.at == b.at && a.index == b.index; }
  friend constexpr bool operator!=(OrderId a, OrderId b) { return !(a == b); }
  friend constexpr bool operator<(OrderId a, OrderId b) { return a.at != b.at ? a.at < b.at : a.index < b.index; }
  /// @}
};

std::string to_string(Position at);                      ///< `<epoch>-<seq>`
std::string to_string(OrderId order);                    ///< `<epoch>-<seq>.<index>`, or empty for no order
std::optional<OrderId> order_id(std::string_view text);  ///< back from its text; nothing if it is none

/// How durable an answer is. `usual` asks for the gate's default; no answer carries it.
enum class Level : std::int32_t {
  usual = 0,
  primary = 1,   ///< the Redis primary answered: a failover or a lost disk can forget it
  replicas = 2,  ///< every promotable replica has it: the loss of one Redis node cannot forget it
  database = 3,  ///< it is committed in the database: no fault of Redis can forget it
};
std::string_view name(Level level);  ///< for instance "primary"

/// What a call asks a gate to do.
enum class Verb : std::int32_t { reserve = 1, confirm = 2, release = 3, resolve = 4, status = 5 };
std::string_view name(Verb verb);  ///< for instance "reserve"

/// Names an order by what its caller knew before there was one.
struct OrderKey {
  SaleId sale;        ///< where
  BuyerId buyer;      ///< whose
  RequestId request;  ///< which purchase of the buyer's
};

/// One call of a gate. Only the first four members are needed to reserve one unit.
struct Call {
  SaleId sale;                 ///< where
  ItemId item;                 ///< of reserve only: what
  BuyerId buyer;               ///< who; the caller vouches for it
  RequestId request;           ///< which purchase of the buyer's; the same again is the same purchase
  std::uint32_t quantity = 1;  ///< of reserve only: 1..kQuantityMax
  std::string_view payload{};  ///< of reserve only: opaque bytes that end in the order's row
  milliseconds timeout{0};     ///< 1 ms..30 s; 0 is the gate's default
  Level level = Level::usual;  ///< an answer below it is `pending`
  Verb verb = Verb::reserve;   ///< for StockGate::submit; the blocking calls set it themselves
  std::uint64_t tag = 0;       ///< for StockGate::submit: comes back in the event
};

/// How long a blocking call may take and how durable its answer must be.
struct CallOptions {
  milliseconds timeout{0};     ///< as Call::timeout
  Level level = Level::usual;  ///< as Call::level
};

}  // namespace flashsale
