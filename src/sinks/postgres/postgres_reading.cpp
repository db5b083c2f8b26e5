// The transaction's reading of orders.
#include <algorithm>

#include "sinks/postgres/postgres_transaction.hpp"

namespace flashsale::sinks::postgres {
namespace {

// One list of columns for read_order, three ways to the rows. `~` is behind every byte of a buyer's id.
constexpr char kByBuyer[] =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = $1 and buyer > $2 and buyer <= coalesce((select buyer from flashsale_order "
    "where sale = $1 and buyer > $2 order by buyer offset $3 limit 1), '~') order by buyer, epoch, seq, idx";
constexpr char kFind[] =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = $1 and buyer = $2 and request = $3";
constexpr char kUncredited[] =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, state, credited, hold_until_ms from "
    "flashsale_order "
    "where sale = $1 and not credited order by epoch, seq, idx limit $2";

OrderRow read_order(const Rows& rows, int i) {
  OrderRow row;
  row.order.id = {{rows.natural(i, 0), rows.natural(i, 1)}, rows.word(i, 2)};
  row.order.buyer = rows.bytes(i, 3);
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

std::vector<OrderRow> read_orders(const Rows& rows) {
  std::vector<OrderRow> all;
  all.reserve(static_cast<std::size_t>(rows.size()));
  for (int i = 0; i < rows.size(); ++i) all.push_back(read_order(rows, i));
  return all;
}

}  // namespace

Result<std::vector<OrderRow>> PostgresTransaction::orders_by_buyer(SaleId sale, std::string_view after_buyer,
                                                                   std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    const std::size_t offset = std::max<std::size_t>(count, 1) - 1;
    return read_orders(connection_->run({kByBuyer, Values(sale.text(), after_buyer, offset)}));
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
    return read_orders(connection_->run({kUncredited, Values(sale.text(), count)}));
  });
}

}  // namespace flashsale::sinks::postgres
