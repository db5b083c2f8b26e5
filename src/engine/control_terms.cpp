#include "engine/control_terms.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace flashsale::engine {
namespace {

using core::Defect;

constexpr milliseconds kHoldMax{30LL * 24 * 3600 * 1000};
constexpr milliseconds kProbeMin{10}, kProbeMax{5000};
constexpr std::uint32_t kReplicasMax = 16;

template <class Number>
Defect check_range(std::string_view field, Number value, Number least, Number most) {
  if (value >= least && value <= most) return std::nullopt;
  return fmt::format("{} must be {} to {}, is {}", field, least, most, value);
}

Defect check_items(const std::vector<ItemRow>& items) {
  if (auto defect = check_range<std::size_t>("items", items.size(), 1, kItemCountMax)) return defect;
  for (auto item = items.begin(); item != items.end(); ++item) {
    if (auto defect = core::check_item(item->item)) return defect;
    const auto same = [&](const ItemRow& other) { return other.item == item->item; };
    if (std::any_of(items.begin(), item, same)) return fmt::format("item {} is there twice", item->item);
    if (auto defect = check_range<std::int64_t>("units of item " + item->item, item->total, 0, kUnitsMax))
      return defect;
    if (auto defect = check_range<std::int64_t>("limit of item " + item->item, item->limit, 1, kQuantityMax))
      return defect;
  }
  return std::nullopt;
}

template <class Equal>
bool same_items(const SaleRow& left, const SaleRow& right, Equal equal) {
  return std::equal(left.items.begin(), left.items.end(), right.items.begin(), right.items.end(), equal);
}

}  // namespace

Defect check_schedule(std::optional<std::int64_t> opens_ms, std::optional<std::int64_t> closes_ms) {
  if (opens_ms)
    if (auto defect = check_range<std::int64_t>("opens_ms", *opens_ms, 1, kTimeMax)) return defect;
  if (closes_ms)
    if (auto defect = check_range<std::int64_t>("closes_ms", *closes_ms, 0, kTimeMax)) return defect;
  if (opens_ms && closes_ms && *closes_ms != 0 && *closes_ms <= *opens_ms)
    return fmt::format("closes_ms must be after opens_ms, {}, or 0, is {}", *opens_ms, *closes_ms);
  return std::nullopt;
}

Defect check_terms(const Sale& sale) {
  if (auto defect = core::check_sale(sale.id)) return defect;
  if (auto defect = check_items(sale.items)) return defect;
  if (auto defect = check_schedule(sale.opens_ms, sale.closes_ms)) return defect;
  const auto hold = sale.hold.count();
  if (sale.queue == QueueMode::list && hold != 0) return fmt::format("hold must be 0 ms in list mode, is {}", hold);
  if (auto defect = check_range<std::int64_t>("hold in ms", hold, 0, kHoldMax.count())) return defect;
  if (auto defect = check_range<std::int64_t>("probe in ms", sale.probe.count(), kProbeMin.count(), kProbeMax.count()))
    return defect;
  if (auto defect = check_range<std::uint32_t>("replicas", sale.replicas, 0, kReplicasMax)) return defect;
  return check_range<std::uint32_t>("buyer_orders_max", sale.buyer_orders_max, 1, kBuyerOrdersMax);
}

SaleRow row_of(const Sale& sale) {
  SaleRow row;
  row.sale = sale.id;
  row.opens_ms = sale.opens_ms.value_or(0);
  row.closes_ms = sale.closes_ms.value_or(0);
  row.hold_ms = sale.hold.count();
  row.probe_ms = sale.probe.count();
  row.replicas = sale.replicas;
  row.buyer_orders_max = sale.buyer_orders_max;
  row.fence_epoch = 1;
  row.items = sale.items;
  for (ItemRow& item : row.items) item.sold = 0;
  return row;
}

SaleRow row_of(const core::SaleMeta& meta) {
  SaleRow row;
  row.state = meta.state;
  row.uuid = meta.uuid;
  row.opens_ms = meta.opens_ms;
  row.closes_ms = meta.closes_ms;
  row.hold_ms = meta.hold_ms;
  row.probe_ms = meta.probe_ms;
  row.replicas = meta.replicas;
  row.buyer_orders_max = meta.buyer_orders_max;
  for (const auto& item : meta.items) row.items.push_back({item.item, item.total, item.limit, 0});
  return row;
}

bool same_terms(const SaleRow& left, const SaleRow& right) {
  return left.hold_ms == right.hold_ms && left.probe_ms == right.probe_ms && left.replicas == right.replicas &&
         left.buyer_orders_max == right.buyer_orders_max &&
         same_items(left, right, [](const ItemRow& one, const ItemRow& other) {
           return one.item == other.item && one.limit == other.limit;
         });
}

bool same_totals(const SaleRow& left, const SaleRow& right) {
  return same_items(left, right, [](const ItemRow& one, const ItemRow& other) { return one.total == other.total; });
}

bool same_schedule(const SaleRow& left, const SaleRow& right) {
  return left.opens_ms == right.opens_ms && left.closes_ms == right.closes_ms;
}

std::vector<std::string> create_arguments(const SaleRow& row, QueueMode queue, std::string_view epoch,
                                          std::string_view sink_id) {
  std::vector<std::string> arguments{std::string(epoch),
                                     row.uuid,
                                     "",  // not_after_ms
                                     "",  // nonce
                                     std::string(name(first_state(row))),
                                     std::to_string(row.opens_ms),
                                     std::to_string(row.closes_ms),
                                     std::to_string(row.hold_ms),
                                     std::to_string(row.probe_ms),
                                     std::to_string(row.replicas),
                                     std::to_string(row.buyer_orders_max),
                                     std::string(name(queue)),
                                     std::string(sink_id)};
  for (const ItemRow& item : row.items)
    arguments.insert(arguments.end(), {item.item, std::to_string(item.total), std::to_string(item.limit)});
  return arguments;
}

}  // namespace flashsale::engine
