/// What the parts of SqliteTransaction read for each other.
#pragma once

#include <string_view>
#include <vector>

#include "flashsale/order_sink.hpp"
#include "sinks/sqlite/connection.hpp"

namespace flashsale::sinks {

/// The items of a sale, in their order.
std::vector<ItemRow> read_items(Connection& connection, std::string_view sale);

}  // namespace flashsale::sinks
