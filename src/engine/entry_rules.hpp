/// What a journal entry means for the sale's row. Pure: no I/O, no transaction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flashsale/order_queue.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// How an entry stands to the last one that the row has.
enum class Fit : std::uint8_t {
  next,    ///< the one behind it, and linked to it
  begins,  ///< the marker of a later epoch
  gap,     ///< not the one behind it
  fork,    ///< in its place, but linked to another entry
};
Fit fit(const SaleRow& row, const JournalEntry& entry);

/// Moves the row to `entry`.
void step_to(SaleRow& row, const JournalEntry& entry);

/// Applies a control act on the sale as a whole (open, pause, resume, schedule, close, drain) to the row. Answers what
/// is wrong with its arguments; nothing if all is well.
std::optional<std::string> apply_act(SaleRow& row, const JournalEntry& entry);

struct Restock {
  std::string_view operation;  ///< of the entry
  ItemRow* item = nullptr;     ///< of the row
  std::int64_t units = 0;
};
/// Reads a restock; nothing if its arguments are wrong or the row has no such item.
std::optional<Restock> read_restock(SaleRow& row, const JournalEntry& entry);

/// Which state confirm, release and expire bring an order to.
std::optional<OrderState> moves_to(EntryKind kind);

/// What an order's refusal by the database is called in its dead row.
std::string_view reason_of(Insert verdict);

/// Whether the verdict proves Redis wrong, so that the sale must not go on selling.
bool proves_redis_wrong(Insert verdict);

/// Stops selling. A sale that has ended or was never opened stays as it is.
void pause_row(SaleRow& row);

/// How many entries to read next, so that they hold about `orders_wanted` orders, as the last `entries` with their
/// `orders` did. At most twice as many as before: a quiet journal says nothing about the rush that follows.
std::size_t next_read(std::size_t before, std::size_t entries, std::size_t orders, std::size_t orders_wanted);

}  // namespace flashsale::engine
