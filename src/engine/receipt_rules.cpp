#include "engine/receipt_rules.hpp"

#include <fmt/format.h>

#include "engine/counters.hpp"
#include "engine/log.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kNamedMax = 10;

bool says_so(const Receipt& receipt, const OrderRow& row) {
  if (row.order.id != receipt.order.id) return false;
  if (receipt.act == Verb::confirm) return row.state == OrderState::confirmed;
  return receipt.act != Verb::release || row.state == OrderState::released;
}

}  // namespace

Result<bool> ReceiptLookup::finds(const Receipt& receipt) {
  const Order& order = receipt.order;
  auto row = transaction_.find_order(SaleId{sale_}, BuyerId{order.buyer}, RequestId{order.request});
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  if (*row && says_so(receipt, **row)) return true;
  return is_dead(order.id);
}

Result<bool> ReceiptLookup::is_dead(OrderId order) {
  if (!dead_) {
    auto rows = transaction_.dead(SaleId{sale_}, /*only_untold=*/false);
    if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
    dead_.emplace();
    for (const DeadRow& row : *rows) dead_->insert(row.order.id);
  }
  return dead_->count(order) > 0;
}

void LostReceipts::add(const Receipt& receipt, std::string_view why) {
  if (++count_ <= kNamedMax)
    text_ +=
        fmt::format("{}{} of {} ({})", count_ > 1 ? ", " : "", name(receipt.act), to_string(receipt.order.id), why);
}

void LostReceipts::report(std::string_view sale) const {
  if (count_ == 0) return;
  counters().receipts_lost.add(count_);
  const std::string more = count_ > kNamedMax ? fmt::format(" and {} more", count_ - kNamedMax) : std::string();
  log(LogLevel::alarm, "sale {}: told to callers and lost: {}{}", sale, text_, more);
}

}  // namespace flashsale::engine
