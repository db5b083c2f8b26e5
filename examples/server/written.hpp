/// What the database says of a sale: its orders by item and state, and whether it says anything at all.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <flashsale/flashsale.hpp>
#include <map>
#include <memory>
#include <string>

#include "trouble.hpp"

namespace server {

/// The newest whole count.
struct Written {
  std::int64_t orders = 0;                        ///< in every state, from the position asked for on
  std::map<std::string, std::int64_t> confirmed;  ///< units of the whole sale, by item
  std::size_t dead = 0;                           ///< orders set aside of which nobody has decided yet
  bool is_unknown = false;                        ///< the database was read and has no such sale
};

/// Counts anew when the sale's watermark has moved or an operator has decided about a dead order. A look reads for
/// `budget` at most and the next one goes on from there, so that a sale of a million orders is counted within some
/// looks instead of never. One thread at a time.
class WrittenDown {
 public:
  static constexpr std::chrono::milliseconds kBudget{300};

  explicit WrittenDown(std::shared_ptr<flashsale::OrderSink> sink, std::chrono::milliseconds budget = kBudget)
      : sink_(std::move(sink)), budget_(budget) {}

  /// What the last whole count found; all 0 before it, and without a database.
  const Written& look(const std::string& sale, flashsale::Position since);
  /// Why the database has not been read for some seconds now; empty: it has.
  std::string trouble(const std::string& sale) const;

 private:
  struct Seen {
    flashsale::Position at{};    // the watermark that `written` is of
    flashsale::Position goal{};  // the watermark that `counting` is of; nowhere: nothing is being counted
    std::size_t dead = 0;        // how many there were when that count began: one decided about may be an order again
    flashsale::OrderId after{};  // how far `counting` is
    Written written, counting;
    Trouble trouble;
  };
  flashsale::Result<flashsale::Done> read(const std::string& sale, flashsale::Position since, Seen& seen);
  flashsale::Result<flashsale::Done> count(flashsale::SinkTransaction& reading, flashsale::SaleId sale,
                                           flashsale::Position since, Seen& seen) const;

  std::shared_ptr<flashsale::OrderSink> sink_;
  std::chrono::milliseconds budget_;
  std::map<std::string, Seen> seen_;
};

}  // namespace server
