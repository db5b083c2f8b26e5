/// Applies decoded journal entries to a sale's locked row and its orders, within one transaction.
#pragma once

#include <cstdint>
#include <vector>

#include "flashsale/order_queue.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// What an order that the database has already, or has another one in place of, means.
enum class Known : std::uint8_t {
  is_fork,  ///< in normal running: impossible, but on a fork of the journal
  is_left,  ///< to a reconcile, which drains what survived: it stays as the database has it
};

struct Applied {
  std::uint64_t entries = 0;
  std::uint64_t orders = 0;  ///< inserted
  std::uint64_t dead = 0;    ///< set aside
  bool paused = false;       ///< an order proved Redis wrong
  bool returned = false;     ///< orders were released or expired: Redis is to free their units
};

/// Consecutive batches become one insert; anything else first lets the orders before it reach the database, in the
/// journal's order. After an error the transaction must be rolled back.
class EntryApplier {
 public:
  EntryApplier(SinkTransaction& transaction, SaleRow& row, Known known)
      : transaction_(transaction), row_(row), known_(known) {}

  /// Applies one entry that fits the row, and moves the row to it. Errors: conflict (a fork, or arguments that no
  /// script of ours writes), and the sink's.
  Result<Done> apply(JournalEntry& entry);

  /// Writes what is pending, then the row.
  Result<Applied> finish();

 private:
  Result<Done> flush();
  Result<Done> judge_order(const Order& order, Insert verdict);
  Result<Done> set_aside(const Order& order, Insert verdict);
  Result<Done> restock(const JournalEntry& entry);

  SinkTransaction& transaction_;
  SaleRow& row_;
  const Known known_;
  std::vector<Order> pending_;
  Applied applied_;
};

}  // namespace flashsale::engine
