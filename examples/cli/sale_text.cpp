#include "sale_text.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "text.hpp"
#include "times.hpp"

namespace cli {

using namespace flashsale;

namespace {
constexpr std::size_t kBarWidth = 30;

std::string time_or(std::int64_t ms, std::string_view otherwise) {
  return ms > 0 ? to_rfc3339(ms) : std::string(otherwise);
}
}  // namespace

Json to_json(const SaleStatus& status) {
  Json items = Json::object();
  for (const auto& item : status.items)
    items[item.item] = {
        {"total", item.total}, {"booked", item.booked}, {"left", item.total - item.booked}, {"limit", item.limit}};
  return {{"sale", status.sale},         {"phase", status.phase()},
          {"state", name(status.state)}, {"queue", name(status.queue)},
          {"fenced", status.fenced},     {"now_ms", status.now_ms},
          {"opens_ms", status.opens_ms}, {"closes_ms", status.closes_ms},
          {"hold_ms", status.hold_ms},   {"probe_ms", status.probe_ms},
          {"replicas", status.replicas}, {"buyer_orders", status.buyer_orders_max},
          {"at", to_string(status.at)},  {"watermark", to_string(status.watermark)},
          {"waiting", status.waiting},   {"held", status.held},
          {"items", std::move(items)}};
}

std::string describe(const SaleStatus& status) {
  std::string text =
      fmt::format("{}: {} (queue {}, opens {}, closes {})\n", status.sale, status.phase(), name(status.queue),
                  time_or(status.opens_ms, "by 'flashsale open'"), time_or(status.closes_ms, "by 'flashsale close'"));
  if (status.fenced) text += "  fenced: Redis lost its history; nothing is sold until a worker reconciled\n";
  for (const auto& item : status.items)
    text += fmt::format("  {}, limit {}\n", item_line(item, name_width(status.items)), with_commas(item.limit));
  if (status.hold_ms > 0) text += fmt::format("  {} orders are held and not confirmed yet\n", with_commas(status.held));
  const char* const unit = status.queue == QueueMode::list ? "orders" : "journal entries";
  return text + fmt::format("  {} {} wait to be handed over\n", with_commas(status.waiting), unit);
}

std::string bar(std::int64_t part, std::int64_t whole, std::size_t width) {
  // An item with no units has nothing left to book: its bar is full.
  const double share = whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 1.0;
  const auto filled = static_cast<std::size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  return std::string(filled, '#') + std::string(width - filled, '-');
}

std::string item_line(const SaleStatus::Item& item, std::size_t width) {
  return fmt::format("{:<{}}  [{}]  {} of {} booked", item.item, width, bar(item.booked, item.total, kBarWidth),
                     with_commas(item.booked), with_commas(item.total));
}

std::size_t name_width(const std::vector<SaleStatus::Item>& items) {
  std::size_t width = 0;
  for (const auto& item : items) width = std::max(width, item.item.size());
  return width;
}

}  // namespace cli
