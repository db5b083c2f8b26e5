/// What one batch told its callers, as few allocations as possible: it is written on the hot path.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/request.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// Its lane writes it, then nobody does, so that whoever shares it needs no lock.
class ReceiptBlock {
 public:
  ReceiptBlock() = default;
  /// `at`: the sale's position after the batch. Once the database is there, it has all of this.
  explicit ReceiptBlock(Position at) : at_(at) {}

  /// Notes the answer if it says that the request's act is done: an order reserved, confirmed or released.
  void add(const Request& request, const Result<Answer>& answer);

  bool empty() const { return lines_.empty(); }
  std::size_t count() const { return lines_.size(); }
  std::size_t bytes() const { return text_.capacity() + lines_.capacity() * sizeof(Line); }
  Position at() const { return at_; }

  /// Appends those that a database at `watermark` may lack.
  void append_to(std::vector<Receipt>& receipts, Position watermark) const;

 private:
  struct Line {
    OrderId order;
    std::int64_t hold_until_ms;
    std::uint32_t quantity, text_bytes;
    std::uint8_t buyer_bytes, request_bytes, item_bytes;
    Verb act;
  };

  Position at_;
  std::vector<Line> lines_;
  std::string text_;  // of each line: buyer, request, item, payload
};

}  // namespace flashsale::engine
