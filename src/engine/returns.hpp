/// Orders that go back: holds that ran out, and the units of what was released or expired. PROTOCOL section 7.
///
///   hold runs out --expire.lua--> expiring + entry --+
///   release ------- move.lua ---> releasing + entry -+--> the worker commits it: the row is not credited yet
///                                                         --credit.lua--> free in Redis --> the row is credited
///
/// Whatever dies between two steps leaves units unsold until the next worker's look; nothing is ever sold twice.
#pragma once

#include <cstdint>
#include <string_view>

#include "flashsale/connection_pool.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// Frees in Redis what the database has as released or expired and not yet credited, and marks it credited. Repeating
/// it is harmless. Success where the fence is closed or the epoch is another: then a reconcile frees it. Returns how
/// many rows were credited. Errors: the pool's and the sink's, and unsupported.
Result<std::size_t> credit(ConnectionPool& pool, OrderSink& sink, std::string_view sale, Deadline deadline);

struct Swept {
  std::size_t orders = 0;         ///< expired now
  bool more = false;              ///< others are due already
  milliseconds next_in = kNever;  ///< until the next hold runs out
  static constexpr milliseconds kNever = std::chrono::hours(24);
};

/// Expires a chunk of the holds that ran out, by Redis' clock. `row`: the sale's. Nothing where the fence is closed.
Result<Swept> sweep(ConnectionPool& pool, const SaleRow& row, Deadline deadline);

}  // namespace flashsale::engine
