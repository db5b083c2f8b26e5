#include "written.hpp"

#include <algorithm>

namespace server {

using flashsale::Done;
using flashsale::OrderSink;
using flashsale::Result;

namespace {

constexpr std::size_t kPage = 2'000;
constexpr std::size_t kSalesMax = 64;
constexpr flashsale::milliseconds kTimeout{500};

}  // namespace

const Written& WrittenDown::look(const std::string& sale) {
  if (seen_.size() > kSalesMax) seen_.clear();
  Seen& seen = seen_[sale];
  if (sink_) static_cast<void>(count(sale, seen));  // the lag shows what a failure means; the last count stays
  return seen.written;
}

Result<Done> WrittenDown::count(const std::string& sale, Seen& seen) {
  auto reading = sink_->begin(OrderSink::Access::read, flashsale::Deadline::clock::now() + kTimeout);
  if (!reading) return tl::unexpected(reading.error());
  const auto sales = (*reading)->sales(false);
  if (!sales) return tl::unexpected(sales.error());
  const auto row = std::find_if(sales->begin(), sales->end(), [&](const auto& r) { return r.sale == sale; });
  if (row == sales->end() || row->watermark == seen.at) return Done{};

  Written written;
  std::string after;
  for (;;) {
    const auto orders = (*reading)->orders_by_buyer(flashsale::SaleId{sale}, after, kPage);
    if (!orders) return tl::unexpected(orders.error());
    if (orders->empty()) break;
    for (const auto& order : *orders) {
      ++written.orders;
      if (order.state == flashsale::OrderState::confirmed) written.confirmed[order.order.item] += order.order.quantity;
    }
    after = orders->back().order.buyer;
  }
  seen = {row->watermark, std::move(written)};
  return Done{};
}

}  // namespace server
