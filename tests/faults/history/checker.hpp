/// Judges a night by what its clients asked and heard, and by what Redis and the database had in the end. In time
/// linear in the calls, but for one sort: every purchase has a request of its own, so nothing is searched for.
///
///   I1   no item is sold beyond its total, at any moment that was looked at, nor in the end
///   I2   an order that was told, at a level that nothing of this night may forget, is there, as it was asked for
///   I3   an order that is there was asked for, and its buyer not told no each time
///   I4   an order's name is one request's, a request has one order; the journal has no gap and no fork
///   I5   nobody holds more than the limit, nor has more orders than the sale allows; nothing was set aside
///   I6   no answer contradicts a later one, nor what its order became
///   I7   Redis and the database agree, order by order and unit by unit
///   I8   where more is wanted than there is, all is sold
///   I9   who was answered before another asked has the earlier order
///   I10  nobody is told sold_out while there must be enough
///   I11  nothing is sold while the sale is shut, nor not_started said after it had begun
///   I12  an order is of the item and the quantity that were asked for
///   I13  once all is healed the sale goes on; nothing hangs, nothing grows
///
/// I8 and I13 are seen by the night that runs the processes, which tells them as complaints.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "faults/history/history.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::history {

/// A time, by the monotonic clock, in which the sale was shut: from the act's answer to the next act's invocation.
struct Shut {
  std::int64_t from_ns = 0, until_ns = kNever;
};

/// Units added to an item by a restock, from when they were there for certain.
struct Restocked {
  std::string item;
  std::int64_t units = 0, at_ns = 0;
};

/// An order in Redis: `state` as lua/move.lua draws it.
struct RedisOrder {
  std::string buyer, request;
  char state = 0;
};

struct RedisItem {
  std::int64_t total = 0, booked = 0;
};

/// A night, after everything in it has come to rest.
struct Night {
  std::vector<Op> ops;
  std::vector<Shut> shut;
  std::vector<Restocked> restocked;
  std::map<std::string, std::int64_t> first_totals;  ///< by item, as created

  SaleRow row;
  std::vector<OrderRow> orders;
  std::vector<DeadRow> dead;
  std::map<std::string, RedisItem> redis_items;
  std::map<OrderId, RedisOrder> redis_orders;
  Position redis_at, redis_watermark;
  std::string journal_defect;           ///< what is wrong with the entries that are left; empty: nothing
  std::vector<std::string> complaints;  ///< what the night itself saw: I1, I8, I13

  bool forgot_primary = false;  ///< a fault made Redis forget what only level `primary` stood for
  bool forgot_all = false;      ///< or what level `replicas` stood for: every node
  bool had_zombie = false;      ///< an old primary went on answering
  bool set_clock_back = false;  ///< a Redis' clock was
};

struct Verdict {
  std::vector<std::string> violations;  ///< each begins with its invariant
  std::uint64_t calls = 0, accepted = 0, unknown = 0, left_open = 0;
  std::uint64_t forgotten = 0;  ///< orders told at a level that a fault of this night may forget, and that are gone
  std::map<std::string, std::uint64_t> heard;  ///< answers and errors by name

  bool has(const std::string& invariant) const;
};

Verdict check(const Night& night);

}  // namespace flashsale::history
