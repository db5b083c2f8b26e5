/// A sale as the database has it, as chunks of rebuild.lua. PROTOCOL section 10, step 5.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/record_codec.hpp"
#include "core/winners_filter.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// The pairs of one call; spans into one string, so that a record costs no allocation of its own.
struct RebuildChunk {
  explicit RebuildChunk(const char* chunk_kind) : kind(chunk_kind) {}
  void add(std::string_view first, std::string_view second);
  bool is_full() const;

  const char* kind;
  std::string number;
  std::string bytes;
  std::vector<std::size_t> ends;
};

/// Reads the orders out of the database, oldest first, and writes their buyers' records. It keeps a
/// page of them, not the sale. Used once, by one thread.
class RebuildSource {
 public:
  /// Takes one chunk; false: nobody wants more.
  using Take = std::function<bool(RebuildChunk)>;

  /// `row` is the sale's, and outlives this; `now_ms` is Redis' clock.
  RebuildSource(OrderSink& sink, const SaleRow& row, std::int64_t now_ms, Take take);

  /// Hands everything to `take`, numbered from 1; false if it wanted no more.
  Result<bool> run(Deadline deadline);

  std::uint64_t orders() const { return orders_; }
  std::uint64_t held() const { return held_; }
  std::uint64_t chunks() const { return chunks_; }
  /// Units per item that nobody else may have.
  const std::vector<std::int64_t>& booked() const { return booked_; }

 private:
  /// A line of a buyer's record; views of what was read.
  struct Line {
    std::string_view buyer;
    core::RecordLine order;
  };

  Result<bool> add_orders();
  Result<bool> add_dead();
  Result<bool> add_operations();
  Result<std::vector<OrderRow>> read_page(OrderId after);
  bool add_order(const OrderRow& row, std::vector<Line>& lines);
  bool add_hold(const Order& order, std::int64_t until);
  bool end_entry();
  bool write(const std::vector<Line>& lines);
  bool hand_over(RebuildChunk& chunk);
  std::size_t item_index(std::string_view item) const;
  Deadline call_deadline() const;

  OrderSink& sink_;
  const SaleRow& row_;
  const std::int64_t hold_until_ms_;
  const Take take_;
  Deadline deadline_{};

  core::RecordWriter writer_;
  std::string record_;
  core::WinnersFilter seen_;  // buyers that were handed over, perhaps
  RebuildChunk buyers_{"buyers"}, more_{"more"}, holds_{"holds"};
  Position entry_;  // the last one read with a hold, until when, and its member of holds as far as it was read
  std::int64_t entry_until_ = 0;
  std::string entry_member_;
  std::uint64_t orders_ = 0;
  std::uint64_t held_ = 0;
  std::uint64_t chunks_ = 0;
  std::vector<std::int64_t> booked_;
};

}  // namespace flashsale::engine
