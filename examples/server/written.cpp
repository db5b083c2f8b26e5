#include "written.hpp"

#include <algorithm>
#include <utility>

namespace server {

using flashsale::Done;
using flashsale::OrderSink;
using flashsale::Position;
using flashsale::Result;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kPage = 2'000;
constexpr std::size_t kSalesMax = 64;
constexpr flashsale::milliseconds kTimeout{500};

}  // namespace

const Written& WrittenDown::look(const std::string& sale, Position since) {
  if (seen_.size() > kSalesMax) seen_.clear();
  Seen& seen = seen_[sale];
  if (sink_) {
    const auto done = read(sale, since, seen);
    seen.trouble.note(done ? std::string{} : to_string(done.error()));
  }
  return seen.written;
}

std::string WrittenDown::trouble(const std::string& sale) const {
  const auto seen = seen_.find(sale);
  return seen == seen_.end() ? std::string{} : seen->second.trouble.lasting();
}

Result<Done> WrittenDown::read(const std::string& sale, Position since, Seen& seen) {
  auto reading = sink_->begin(OrderSink::Access::read, flashsale::Deadline::clock::now() + kTimeout);
  if (!reading) return tl::unexpected(reading.error());
  const auto sales = (*reading)->sales(false);
  if (!sales) return tl::unexpected(sales.error());
  const auto row = std::find_if(sales->begin(), sales->end(), [&](const auto& r) { return r.sale == sale; });
  seen.written.is_unknown = row == sales->end();
  if (seen.written.is_unknown) return Done{};
  const auto set_aside = (*reading)->dead(flashsale::SaleId{sale}, false);
  if (!set_aside) return tl::unexpected(set_aside.error());
  const auto dead = static_cast<std::size_t>(std::count_if(
      set_aside->begin(), set_aside->end(), [](const auto& one) { return one.fate == flashsale::DeadFate::dead; }));
  seen.written.dead = dead;
  const bool is_new = row->watermark != seen.at || dead != seen.dead;
  if (is_new && seen.goal == Position{}) {
    seen.goal = row->watermark;
    seen.dead = dead;
    seen.after = {};
    seen.counting = {};
  }
  return seen.goal == Position{} ? Result<Done>{Done{}} : count(**reading, flashsale::SaleId{sale}, since, seen);
}

Result<Done> WrittenDown::count(flashsale::SinkTransaction& reading, flashsale::SaleId sale, Position since,
                                Seen& seen) const {
  const auto until = Clock::now() + budget_;
  do {
    const auto orders = reading.orders_by_id(sale, seen.after, kPage);
    if (!orders) return tl::unexpected(orders.error());
    Written& counting = seen.counting;
    for (const auto& row : *orders) {
      if (since != Position{} && since <= row.order.id.at) ++counting.orders;
      if (row.state == flashsale::OrderState::confirmed) counting.confirmed[row.order.item] += row.order.quantity;
    }
    if (orders->empty()) {
      seen.at = std::exchange(seen.goal, Position{});
      seen.written.orders = counting.orders;
      seen.written.confirmed = std::move(counting.confirmed);
      return Done{};
    }
    seen.after = orders->back().order.id;
  } while (Clock::now() < until);
  return Done{};
}

}  // namespace server
