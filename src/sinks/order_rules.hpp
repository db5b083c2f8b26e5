/// What every sink agrees on about an order, so that two databases give the same verdicts.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "core/checks.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::sinks {

/// False: the order is poison. Bytes that no gate wrote are set aside by every sink, also where one database could
/// keep what another cannot.
inline bool storable(const Order& order) {
  return order.id && !core::check_buyer(order.buyer) && !core::check_item(order.item) &&
         !core::check_request(order.request) && !core::check_quantity(order.quantity) &&
         !core::check_payload(order.payload.size(), kPayloadBytesMax);
}

/// The same purchase; the payload is not part of its identity.
inline bool same_order(const Order& left, const Order& right) {
  return left.id == right.id && left.buyer == right.buyer && left.item == right.item &&
         left.quantity == right.quantity && left.request == right.request;
}

/// The row of `name`, or nullptr. At most 64 rows: a scan beats hashing.
inline ItemRow* find_item(std::vector<ItemRow>& items, std::string_view name) {
  const auto found = std::find_if(items.begin(), items.end(), [&](const ItemRow& row) { return row.item == name; });
  return found == items.end() ? nullptr : &*found;
}

}  // namespace flashsale::sinks
