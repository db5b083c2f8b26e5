/// A buyer's record, written as lua/reserve.lua would have written it, order by order:
///
///   "<orders> <item>=<units held>..."
///   "\n<request> <item> <quantity> <index> <epoch>-<seq> <state>[ <hold until ms>]"   per order, oldest first
///
/// `orders` counts every order in every state; only those that hold units count as held. Items go by their index.
/// A change here changes reserve.lua, look.lua, tests/core/record_codec_test.cpp, and `layout`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flashsale/order_sink.hpp"
#include "flashsale/types.hpp"

namespace flashsale::core {

/// The states that a rebuilt record can have. Releasing and expiring are not among them: what the database has
/// returned is returned for good once Redis is rebuilt from it.
enum class RecordState : char { reserved = 'r', confirmed = 'c', released = 'd', expired = 'e', dead = 'k' };

RecordState record_state(OrderState state);

/// True if an order in that state still takes its units off the buyer's limit.
bool holds_units(RecordState state);

struct RecordLine {
  std::string_view request;
  std::size_t item = 0;  ///< from 1
  std::uint32_t quantity = 0;
  OrderId order;
  RecordState state = RecordState::reserved;
  std::int64_t hold_until_ms = 0;  ///< written for `reserved` only; 0: no hold
};

/// One order of a record as it is there, in any of the states that lua/move.lua draws.
struct ReadLine {
  std::string_view request;
  std::size_t item = 0;
  std::int64_t quantity = 0;
  OrderId order;
  char state = 0;
};

/// The orders of a record, as views into it; lines that do not read are left out.
std::vector<ReadLine> read_record(std::string_view record);

/// Writes records one after the other and reuses its memory. Thread-compatible.
class RecordWriter {
 public:
  void add(const RecordLine& line);
  /// Appends the record to `out` and begins the next one.
  void finish(std::string& out);

 private:
  std::size_t orders_ = 0;
  std::vector<std::pair<std::size_t, std::int64_t>> held_;  // units by item, in the order in which they were won
  std::string lines_;
};

}  // namespace flashsale::core
