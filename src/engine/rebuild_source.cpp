#include "engine/rebuild_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/checks.hpp"
#include "engine/reconcile_claim.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kPairsPerChunk = 1000;
constexpr std::size_t kBytesPerChunk = 256 * 1024;
constexpr std::size_t kOrdersPerRead = 5000;

/// About as many as there are buyers, or more.
std::size_t units_sold(const SaleRow& row) {
  std::int64_t units = 0;
  for (const ItemRow& item : row.items) units += item.sold;
  return static_cast<std::size_t>(units);
}

}  // namespace

void RebuildChunk::add(std::string_view first, std::string_view second) {
  bytes += first;
  ends.push_back(bytes.size());
  bytes += second;
  ends.push_back(bytes.size());
}

bool RebuildChunk::is_full() const { return ends.size() >= 2 * kPairsPerChunk || bytes.size() >= kBytesPerChunk; }

// Orders that a library without deadlines in its rows wrote: nobody knows when their holds began, so they begin anew.
RebuildSource::RebuildSource(OrderSink& sink, const SaleRow& row, std::int64_t now_ms, Take take)
    : sink_(sink),
      row_(row),
      hold_until_ms_(row.hold_ms > 0 ? now_ms + row.hold_ms : 0),
      take_(std::move(take)),
      seen_(units_sold(row)),
      booked_(row.items.size()) {}

Result<bool> RebuildSource::run(Deadline deadline) {
  deadline_ = deadline;
  using Stage = Result<bool> (RebuildSource::*)();
  for (const Stage stage : {&RebuildSource::add_orders, &RebuildSource::add_dead, &RebuildSource::add_operations}) {
    auto done = (this->*stage)();
    if (!done || !*done) return done;
  }
  return true;
}

/// By id, for so they were written: read by buyer, who comes in any order, each would cost a page of the database.
Result<bool> RebuildSource::add_orders() {
  OrderId last;
  for (;;) {
    auto rows = read_page(last);
    if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
    if (rows->empty()) return end_entry() && hand_over(holds_);
    std::vector<Line> lines;
    lines.reserve(rows->size());
    for (const OrderRow& row : *rows)
      if (!add_order(row, lines)) return false;
    if (!write(lines)) return false;
    last = rows->back().order.id;
  }
}

/// A transaction a page: the claim keeps everybody else from writing, and none is held while Redis is slow.
Result<std::vector<OrderRow>> RebuildSource::read_page(OrderId after) {
  auto transaction = sink_.begin(OrderSink::Access::read, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  return (*transaction)->orders_by_id(SaleId{row_.sale}, after, kOrdersPerRead);
}

bool RebuildSource::add_order(const OrderRow& row, std::vector<Line>& lines) {
  const std::size_t item = item_index(row.order.item);
  if (item == 0) return true;  // the sink's own constraints exclude it
  const core::RecordState state = core::record_state(row.state);
  const bool held = row.state == OrderState::reserved && hold_until_ms_ > 0;
  const std::int64_t until = !held ? 0 : row.order.hold_until_ms > 0 ? row.order.hold_until_ms : hold_until_ms_;
  lines.push_back({row.order.buyer, {row.order.request, item, row.order.quantity, row.order.id, state, until}});
  if (core::holds_units(state)) booked_[item - 1] += row.order.quantity;
  ++orders_;
  return !held || add_hold(row.order, until);
}

/// One member for all whom an entry names and whose holds end together, as reserve.lua writes it.
bool RebuildSource::add_hold(const Order& order, std::int64_t until) {
  ++held_;
  if (order.id.at != entry_ || until != entry_until_) {
    if (!end_entry()) return false;
    entry_ = order.id.at;
    entry_until_ = until;
    entry_member_ = to_string(entry_);
  }
  entry_member_ += ' ';
  entry_member_ += order.buyer;
  return true;
}

bool RebuildSource::end_entry() {
  if (!entry_member_.empty()) holds_.add(std::to_string(entry_until_), entry_member_);
  entry_member_.clear();
  return !holds_.is_full() || hand_over(holds_);
}

/// They come last, so that a request that has a stored order too answers with that one.
Result<bool> RebuildSource::add_dead() {
  auto transaction = sink_.begin(OrderSink::Access::read, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  const auto rows = (*transaction)->dead(SaleId{row_.sale}, /*only_untold=*/false);
  if (!rows) return tl::unexpected<Error>(rows.error());
  std::vector<Line> lines;
  for (const DeadRow& row : *rows) {
    if (row.fate == DeadFate::retried) continue;  // it is among the orders
    const std::size_t item = item_index(row.order.item);
    // Also an oversold one: it stays in the way of every other buyer until the operator restocks or drops it.
    if (item > 0 && row.fate == DeadFate::dead) booked_[item - 1] += row.order.quantity;
    // Bytes that no gate takes cannot be asked for, so nobody misses them in Redis.
    if (item == 0 || core::check_buyer(row.order.buyer) || core::check_request(row.order.request)) continue;
    const auto state = row.fate == DeadFate::dropped ? core::RecordState::released : core::RecordState::dead;
    lines.push_back({row.order.buyer, {row.order.request, item, row.order.quantity, row.order.id, state, 0}});
  }
  return write(lines);
}

/// A buyer at most once a page, and no chunk holds two pages. Who may have come before goes by a chunk that looks for
/// what is there: that costs Redis half as much again, so the others are spared it.
bool RebuildSource::write(const std::vector<Line>& lines) {
  std::vector<const Line*> by_buyer;
  by_buyer.reserve(lines.size());
  for (const Line& line : lines) by_buyer.push_back(&line);
  std::sort(by_buyer.begin(), by_buyer.end(), [](const Line* one, const Line* other) {
    const int order = one->buyer.compare(other->buyer);
    return order != 0 ? order < 0 : one < other;  // a buyer's oldest first
  });
  for (std::size_t i = 0; i < by_buyer.size(); ++i) {
    const std::string_view buyer = by_buyer[i]->buyer;
    writer_.add(by_buyer[i]->order);
    if (i + 1 < by_buyer.size() && by_buyer[i + 1]->buyer == buyer) continue;
    record_.clear();
    writer_.finish(record_);
    RebuildChunk& chunk = seen_.add(buyer) ? more_ : buyers_;
    chunk.add(buyer, record_);
    if (chunk.is_full() && !hand_over(chunk)) return false;
  }
  return hand_over(buyers_) && hand_over(more_);
}

Result<bool> RebuildSource::add_operations() {
  auto transaction = sink_.begin(OrderSink::Access::read, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto rows = (*transaction)->operations(SaleId{row_.sale});
  if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
  RebuildChunk chunk("ops");  // at most 1,000 of them
  for (const OperationRow& row : *rows) chunk.add(row.operation, fmt::format("{} {}", item_index(row.item), row.units));
  return hand_over(chunk);
}

/// Takes the chunk's content and leaves it empty.
bool RebuildSource::hand_over(RebuildChunk& chunk) {
  if (chunk.ends.empty()) return true;
  chunk.number = std::to_string(++chunks_);
  return take_(std::exchange(chunk, RebuildChunk(chunk.kind)));
}

/// No single call may take so long that the claim goes stale meanwhile.
Deadline RebuildSource::call_deadline() const { return std::min(deadline_, util::Clock::now() + kClaimCallTimeout); }

std::size_t RebuildSource::item_index(std::string_view item) const {
  const auto found =
      std::find_if(row_.items.begin(), row_.items.end(), [&](const ItemRow& row) { return row.item == item; });
  return found == row_.items.end() ? 0 : static_cast<std::size_t>(found - row_.items.begin()) + 1;
}

}  // namespace flashsale::engine
