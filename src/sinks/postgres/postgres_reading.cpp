// The transaction's reading of orders.
#include <algorithm>

#include "sinks/postgres/postgres_transaction.hpp"

namespace flashsale::sinks::postgres {
namespace {

// One list of columns for read_order, four ways to the rows.
constexpr char kByBuyer[] =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = $1 and buyer > $2 order by buyer limit $3";
constexpr char kById[] =
    "select epoch, seq, idx, buyer, item, quantity, request, ''::bytea, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = $1 and (epoch, seq, idx) > ($2, $3, $4) order by epoch, seq, idx limit $5";
// An index has them in this order. Without statistics, as in a table that was just filled, the planner would
// rather read and sort all of it for each page.
constexpr char kInIndexOrder[] =
    "select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), "
    "set_config('enable_sort', 'off', true)";
constexpr char kFind[] =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = $1 and buyer = $2 and request = $3";
constexpr char kUncredited[] =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = $1 and not credited order by epoch, seq, idx limit $2";

constexpr int kBuyer = 3;  // its column

OrderRow read_order(const Rows& rows, int i) {
  OrderRow row;
  row.order.id = {{rows.natural(i, 0), rows.natural(i, 1)}, rows.word(i, 2)};
  row.order.buyer = rows.bytes(i, kBuyer);
  row.order.item = rows.bytes(i, 4);
  row.order.quantity = rows.word(i, 5);
  row.order.request = rows.bytes(i, 6);
  row.order.payload = rows.bytes(i, 7);
  const auto state = order_state(rows.bytes(i, 8));
  if (!state) fail_with(ErrorCode::internal, "order " + to_string(row.order.id) + " has no known state");
  row.state = *state;
  row.credited = rows.flag(i, 9);
  row.order.hold_until_ms = rows.integer(i, 10);
  return row;
}

std::vector<OrderRow> read_orders(const Rows& rows, int count) {
  std::vector<OrderRow> all;
  all.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) all.push_back(read_order(rows, i));
  return all;
}

/// Each buyer's orders, which follow each other by request, by id.
std::vector<OrderRow> in_order_of_id(std::vector<OrderRow> rows) {
  const auto by_id = [](const OrderRow& left, const OrderRow& right) { return left.order.id < right.order.id; };
  for (auto first = rows.begin(); first != rows.end();) {
    const auto next =
        std::find_if(first, rows.end(), [&](const OrderRow& row) { return row.order.buyer != first->order.buyer; });
    std::sort(first, next, by_id);
    first = next;
  }
  return rows;
}

}  // namespace

Result<std::vector<OrderRow>> PostgresTransaction::orders_by_buyer(SaleId sale, std::string_view after_buyer,
                                                                   std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    // The last buyer of a full page may have more orders behind it, and is left to the next page.
    for (std::size_t limit = std::max<std::size_t>(count, 1) + 1;; limit *= 2) {
      const auto found =
          connection_->run_all(Statement{kInIndexOrder}, Statement{kByBuyer, Values(sale.text(), after_buyer, limit)});
      const Rows& rows = found[1];
      int whole = rows.size();
      if (static_cast<std::size_t>(whole) == limit)
        while (whole > 0 && rows.bytes(whole - 1, kBuyer) == rows.bytes(rows.size() - 1, kBuyer)) --whole;
      if (whole > 0 || rows.size() == 0) return in_order_of_id(read_orders(rows, whole));
    }
  });
}

Result<std::vector<OrderRow>> PostgresTransaction::orders_by_id(SaleId sale, OrderId after, std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    const auto found = connection_->run_all(
        Statement{kInIndexOrder},
        Statement{kById, Values(sale.text(), after.at.epoch, after.at.seq, std::int64_t{after.index}, count)});
    return read_orders(found[1], found[1].size());
  });
}

Result<std::optional<OrderRow>> PostgresTransaction::find_order(SaleId sale, BuyerId buyer, RequestId request) {
  return frame_.attempt(Touch::reads, [&]() -> std::optional<OrderRow> {
    const Rows rows = connection_->run({kFind, Values(sale.text(), buyer.text(), request.text())});
    if (rows.size() == 0) return std::nullopt;
    return read_order(rows, 0);
  });
}

Result<std::vector<OrderRow>> PostgresTransaction::uncredited(SaleId sale, std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    const Rows rows = connection_->run({kUncredited, Values(sale.text(), count)});
    return read_orders(rows, rows.size());
  });
}

}  // namespace flashsale::sinks::postgres
