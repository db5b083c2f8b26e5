#include "demo_check.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "session.hpp"

namespace cli {

using namespace flashsale;

namespace {

using RequestKey = std::pair<std::string, std::string>;  // buyer, request

struct Rows {
  std::vector<OrderRow> orders;
  std::size_t set_aside = 0;
};

Rows read_rows(OrderSink& sink, const std::string& sale) {
  const auto deadline = Deadline::clock::now() + milliseconds{60'000};
  const auto transaction = need(sink.begin(OrderSink::Access::read, deadline));
  Rows rows;
  std::string last_buyer;
  while (true) {
    auto some = need(transaction->orders_by_buyer(SaleId{sale}, last_buyer, 5000));
    if (some.empty()) break;
    last_buyer = some.back().order.buyer;
    std::move(some.begin(), some.end(), std::back_inserter(rows.orders));
  }
  rows.set_aside = need(transaction->dead(SaleId{sale}, false)).size();
  return rows;
}

bool is_order_of(const Order& order, const DemoAttempt& attempt) {
  return order.buyer == buyer_name(attempt.buyer) && order.item == item_name(attempt.item) &&
         order.quantity == attempt.quantity && order.request == request_name(attempt.request);
}

bool holds(const DemoAttempt& attempt) { return attempt.code > 0 && holds_stock(static_cast<Outcome>(attempt.code)); }

/// True if nobody can know whether the attempt won.
bool is_unknown(const DemoAttempt& attempt) { return attempt.code <= 0 && attempt.effect == Effect::unknown; }

/// Answers against rows: each order answered has its row, each request has one order, no row came from nowhere.
void compare(const std::vector<DemoAttempt>& attempts, const std::vector<OrderRow>& rows, Verdict& verdict) {
  std::map<OrderId, const Order*> by_id;
  std::set<RequestKey> requests_in_rows;
  for (const auto& row : rows) {
    by_id[row.order.id] = &row.order;
    if (!requests_in_rows.insert({row.order.buyer, row.order.request}).second) ++verdict.doubled;
  }
  std::map<std::uint64_t, OrderId> answered;  // a request's order
  std::set<OrderId> told;
  std::set<std::string> unknown;
  for (const auto& attempt : attempts) {
    if (is_unknown(attempt)) unknown.insert(request_name(attempt.request));
    if (!holds(attempt)) continue;
    const auto [first, is_first] = answered.emplace(attempt.request, attempt.order);
    if (!is_first && first->second != attempt.order) ++verdict.doubled;
    if (!told.insert(attempt.order).second) continue;
    verdict.booked[item_name(attempt.item)] += attempt.quantity;
    const auto row = by_id.find(attempt.order);
    if (row == by_id.end() || !is_order_of(*row->second, attempt)) ++verdict.lost;
  }
  for (const auto& [id, order] : by_id)
    if (told.count(id) == 0 && unknown.count(order->request) == 0) ++verdict.unexplained;
}

/// Rows against the sale's terms, and against what Redis counts.
void count(const DemoSize& size, const std::vector<OrderRow>& rows, const SaleStatus& status, Verdict& verdict) {
  std::map<std::string, std::int64_t> sold;
  std::map<RequestKey, std::int64_t> held;  // by buyer and item
  for (const auto& row : rows) {
    sold[row.order.item] += row.order.quantity;
    held[{row.order.buyer, row.order.item}] += row.order.quantity;
  }
  for (const auto& item : status.items) {
    verdict.oversold += std::max<std::int64_t>(0, sold[item.item] - size.units);
    verdict.adrift += std::abs(sold[item.item] - item.booked);
  }
  for (std::size_t i = 0; i < size.items; ++i)
    for (const auto& [key, units] : held)
      if (key.second == item_name(i) && units > item_limit(i)) ++verdict.over_limit;
}

}  // namespace

Verdict check(const DemoSize& size, const std::vector<DemoAttempt>& attempts, const SaleStatus& status,
              OrderSink& sink) {
  const Rows rows = read_rows(sink, size.sale);
  Verdict verdict;
  verdict.persisted = rows.orders.size();
  verdict.set_aside = rows.set_aside;
  for (std::size_t i = 0; i < size.items; ++i) verdict.booked[item_name(i)] = 0;
  compare(attempts, rows.orders, verdict);
  count(size, rows.orders, status, verdict);
  return verdict;
}

}  // namespace cli
