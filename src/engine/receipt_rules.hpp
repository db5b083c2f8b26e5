/// Whether the database has what a receipt says, and what is told of those of which it has not.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// Whether a database at `watermark` has what was told at `at`. Of an epoch that is over it may lack anything: a
/// primary that was cut off goes on under it.
inline bool surely_has(Position watermark, Position at) { return at.epoch == watermark.epoch && at <= watermark; }

/// Looks receipts up one by one within one transaction.
class ReceiptLookup {
 public:
  ReceiptLookup(SinkTransaction& transaction, std::string_view sale) : transaction_(transaction), sale_(sale) {}

  /// True if the order is there as the receipt says. One that was set aside is: its buyer hears of that.
  Result<bool> finds(const Receipt& receipt);

 private:
  Result<bool> is_dead(OrderId order);

  SinkTransaction& transaction_;
  const std::string_view sale_;
  std::optional<std::set<OrderId>> dead_;  // read once it is asked for
};

/// Counts what is lost and remembers enough to name it in one line of the log.
class LostReceipts {
 public:
  void add(const Receipt& receipt, std::string_view why);
  std::size_t count() const { return count_; }
  /// Counts them in the metrics and says so, if there are any.
  void report(std::string_view sale) const;

 private:
  std::size_t count_ = 0;
  std::string text_;
};

}  // namespace flashsale::engine
