/// OrderQueue: won orders on their way from Redis to wherever they are kept.
///
/// A sale hands its orders over in one of two ways, chosen at `create`:
///   journal (default)  a stream whose entries the worker applies to a database, with its offset in the same
///                      transaction; everything that changes the sale is an entry
///   list               the plain list of the classic recipe: LPUSH by the script, BRPOP by any client; at least once
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/error.hpp"
#include "flashsale/types.hpp"

namespace flashsale {

/// A won request as it travels. Owns its strings; the payload is byte for byte what the caller gave.
struct Order {
  OrderId id;                  ///< given by the sale
  std::string buyer;           ///< as in Call, like the rest
  std::string item;            ///< what
  std::uint32_t quantity = 0;  ///< how many units
  std::string request;         ///< by which request
  std::string payload;         ///< the caller's bytes
  std::int64_t hold_until_ms =
      0;  ///< Unix ms by Redis' clock: until when it is held if nobody confirms it; 0: for ever
};

/// What a journal entry does to its sale.
enum class EntryKind : std::uint8_t {
  create,
  open,
  pause,
  resume,
  schedule,
  close,
  drain,
  restock,
  reserve,
  confirm,
  release,
  expire,
  reopen
};
std::string_view name(EntryKind kind);  ///< for instance "restock"

/// One entry of the journal: one batch, or one control act.
struct JournalEntry {
  Position at;                     ///< its place
  EntryKind kind{};                ///< what it does
  std::string nonce;               ///< this entry's own, random
  std::string link;                ///< the previous entry's nonce; `-` in an epoch's first entry
  std::int64_t at_ms = 0;          ///< Redis' clock
  std::int64_t hold_until_ms = 0;  ///< of reserve in a sale with holds; else 0
  std::vector<Order> orders;       ///< of reserve; of confirm, release and expire: id, buyer, item, quantity, request
  std::vector<std::string> arguments;  ///< of a control act, in the order that journal_codec.hpp gives
  std::string defect;                  ///< not empty: the entry does not decode, and why
};

/// An element taken from a list, until it is acknowledged.
struct TakenOrder {
  Order order;          ///< what was won
  std::string element;  ///< the element as Redis holds it
  std::string defect;   ///< not empty: the element does not decode, and why; `order` is empty then
};

/// Reads journals and consumes lists. Thread-safe. Construction does no I/O; every call blocks until `deadline` at
/// most, costs the round trips it names, and fails with timed_out, disconnected, refused or protocol.
class OrderQueue {
 public:
  /// Shares `pool`.
  explicit OrderQueue(std::shared_ptr<ConnectionPool> pool);

  /// Journal mode: up to `count` entries (1..10,000) after `after`, oldest first; changes nothing. A round trip for
  /// each 64 of them.
  [[nodiscard]] Result<std::vector<JournalEntry>> read(SaleId sale, Position after, std::size_t count,
                                                       Deadline deadline) const;

  /// List mode: takes the oldest order for `consumer` (1..64 bytes as BuyerId) and keeps it in the consumer's own
  /// `taken` list until `ack`; nothing if none came within `wait`. Beats the consumer's heart. Two round trips.
  /// The library delivers at least once: a consumer that dies before `ack` has its orders returned.
  [[nodiscard]] Result<std::optional<TakenOrder>> take(SaleId sale, BuyerId consumer, milliseconds wait,
                                                       Deadline deadline) const;

  /// List mode: forgets a taken order; acknowledging twice is harmless. One round trip.
  [[nodiscard]] Result<Done> ack(SaleId sale, BuyerId consumer, const TakenOrder& taken, Deadline deadline) const;

  /// List mode: gives the orders of every consumer without a heartbeat for `silence` back to the list; returns how
  /// many. A consumer's own orders from before a crash come back the same way, or by `take_back` at its start.
  [[nodiscard]] Result<std::size_t> return_dead(SaleId sale, milliseconds silence, Deadline deadline) const;

  /// List mode: gives the orders that `consumer` took and did not acknowledge back to the list; returns how many.
  [[nodiscard]] Result<std::size_t> take_back(SaleId sale, BuyerId consumer, Deadline deadline) const;

 private:
  std::shared_ptr<ConnectionPool> pool_;
};

}  // namespace flashsale
