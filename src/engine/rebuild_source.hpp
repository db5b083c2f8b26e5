/// A sale as the database has it, as chunks of rebuild.lua. PROTOCOL section 10, step 5.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/record_codec.hpp"
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

/// Reads whole buyers out of the database and writes their records. Used once, by one thread.
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
  Result<bool> read_dead();
  Result<bool> add_orders();
  Result<bool> add_left_dead();
  Result<bool> add_operations();
  Result<bool> finish();
  Result<std::vector<OrderRow>> read_page(const std::string& after_buyer);
  void add_order(const OrderRow& row);
  bool end_buyer(const std::string& buyer);
  bool hand_over(RebuildChunk& chunk);
  std::size_t item_index(std::string_view item) const;
  Deadline call_deadline() const;

  OrderSink& sink_;
  const SaleRow& row_;
  const std::int64_t hold_until_ms_;
  const Take take_;
  Deadline deadline_{};

  std::map<std::string, std::vector<DeadRow>, std::less<>> dead_;  // by buyer; those not written yet
  core::RecordWriter writer_;
  std::string record_;
  RebuildChunk buyers_{"buyers"}, holds_{"holds"};
  std::uint64_t orders_ = 0;
  std::uint64_t held_ = 0;
  std::uint64_t chunks_ = 0;
  std::vector<std::int64_t> booked_;
};

}  // namespace flashsale::engine
