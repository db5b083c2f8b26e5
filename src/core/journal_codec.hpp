/// Journal entries and list elements, read. They are written by the scripts alone.
///
/// A stream entry is `<epoch>-<seq>` and pairs of fields:
///   h   "1 <kind> <nonce> <link> <time ms> <hold until ms>"      always first
///   of reserve: i   "<number> <item>" of each item that it sold, so that its orders need not repeat the ids
///     o   an order after the other: "<buyer> <number of its item> <quantity> <index> <request> <bytes> <payload>"
///   of confirm, release, expire:
///     o   a line an order, ended by "\n": "<buyer> <order id> <item> <quantity> <request>"
///   of a control act:               a        its arguments:
///     create    state opens_ms closes_ms hold_ms probe_ms replicas buyer_orders_max queue sink (item units limit)...
///     restock   operation item units
///     reopen    epoch
///     others    state opens_ms closes_ms, as they are from then on
/// A list element is `<order id> <buyer> <item> <quantity> <request> <payload>`.
/// A payload is byte for byte; nothing before it holds a space. All orders of an entry are one field, since Redis and
/// Lua copy an entry field by field: a worker that reads 1,024 orders by script costs Redis 30 us instead of 530.
#pragma once

#include <string_view>

#include "flashsale/connection.hpp"
#include "flashsale/order_queue.hpp"

namespace flashsale::core {

/// Reads the reply of XRANGE. An entry that does not decode keeps its position and says why in `defect`.
/// Error: protocol, if the reply is no list of entries at all.
Result<std::vector<JournalEntry>> read_entries(const Reply& xrange);

/// Reads a list element; one that does not decode says why in `defect`.
TakenOrder read_element(std::string element);

}  // namespace flashsale::core
