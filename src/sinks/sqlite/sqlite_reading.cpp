// The transaction's reading of orders.
#include <algorithm>

#include "sinks/sqlite/sqlite_transaction.hpp"

namespace flashsale::sinks {
namespace {

// One list of columns for read_order, four ways to the rows.
constexpr std::string_view kByBuyer =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = ? and buyer > ? order by buyer";
// A page's rows lie side by side, nearly as they were written; the payloads, which may fill pages of their own, are not
// touched.
constexpr std::string_view kById =
    "select epoch, seq, idx, buyer, item, quantity, request, x'', state, credited, hold_until_ms from flashsale_order "
    "where sale = ? and (epoch, seq, idx) > (?, ?, ?) order by epoch, seq, idx limit ?";
constexpr std::string_view kFind =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = ? and buyer = ? and request = ?";
constexpr std::string_view kUncredited =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = ? and credited = 0 order by epoch, seq, idx limit ?";

OrderRow read_order(const Query& query) {
  OrderRow row;
  row.order.id = {{query.natural(0), query.natural(1)}, query.word(2)};
  row.order.buyer = query.bytes(3);
  row.order.item = query.bytes(4);
  row.order.quantity = query.word(5);
  row.order.request = query.bytes(6);
  row.order.payload = query.bytes(7);
  const auto state = order_state(query.bytes(8));
  if (!state) fail_with(ErrorCode::internal, "order " + to_string(row.order.id) + " has no known state");
  row.state = *state;
  row.credited = query.integer(9) != 0;
  row.order.hold_until_ms = query.integer(10);
  return row;
}

bool by_id(const OrderRow& left, const OrderRow& right) { return left.order.id < right.order.id; }

}  // namespace

Result<std::vector<OrderRow>> SqliteTransaction::orders_by_buyer(SaleId sale, std::string_view after_buyer,
                                                                 std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<OrderRow> rows;
    std::size_t first = 0;  // of the buyer being read
    for (Query query(*connection_, kByBuyer, sale.text(), after_buyer); query.next();) {
      if (!rows.empty() && rows.back().order.buyer != query.bytes(3)) {
        // The index gives a buyer's orders by request.
        std::sort(rows.begin() + static_cast<std::ptrdiff_t>(first), rows.end(), by_id);
        first = rows.size();
        if (rows.size() >= count) break;
      }
      rows.push_back(read_order(query));
    }
    std::sort(rows.begin() + static_cast<std::ptrdiff_t>(first), rows.end(), by_id);
    return rows;
  });
}

Result<std::vector<OrderRow>> SqliteTransaction::orders_by_id(SaleId sale, OrderId after, std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<OrderRow> rows;
    for (Query query(*connection_, kById, sale.text(), after.at.epoch, after.at.seq, after.index, count); query.next();)
      rows.push_back(read_order(query));
    return rows;
  });
}

Result<std::optional<OrderRow>> SqliteTransaction::find_order(SaleId sale, BuyerId buyer, RequestId request) {
  return frame_.attempt(Touch::reads, [&]() -> std::optional<OrderRow> {
    Query query(*connection_, kFind, sale.text(), buyer.text(), request.text());
    if (!query.next()) return std::nullopt;
    return read_order(query);
  });
}

Result<std::vector<OrderRow>> SqliteTransaction::uncredited(SaleId sale, std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<OrderRow> rows;
    for (Query query(*connection_, kUncredited, sale.text(), count); query.next();) rows.push_back(read_order(query));
    return rows;
  });
}

}  // namespace flashsale::sinks
