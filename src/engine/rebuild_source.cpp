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
constexpr std::size_t kOrdersPerRead = 10'000;

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
      booked_(row.items.size()) {}

Result<bool> RebuildSource::run(Deadline deadline) {
  deadline_ = deadline;
  using Stage = Result<bool> (RebuildSource::*)();
  for (const Stage stage : {&RebuildSource::read_dead, &RebuildSource::add_orders, &RebuildSource::add_left_dead,
                            &RebuildSource::add_operations, &RebuildSource::finish}) {
    auto done = (this->*stage)();
    if (!done || !*done) return done;
  }
  return true;
}

Result<bool> RebuildSource::read_dead() {
  auto transaction = sink_.begin(OrderSink::Access::read, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto rows = (*transaction)->dead(SaleId{row_.sale}, /*only_untold=*/false);
  if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
  for (DeadRow& row : *rows) {
    if (row.fate == DeadFate::retried) continue;  // it is among the orders
    const std::size_t item = item_index(row.order.item);
    // Also an oversold one: it stays in the way of every other buyer until the operator restocks or drops it.
    if (item > 0 && row.fate == DeadFate::dead) booked_[item - 1] += row.order.quantity;
    // Bytes that no gate takes cannot be asked for, so nobody misses them in Redis.
    if (item == 0 || core::check_buyer(row.order.buyer) || core::check_request(row.order.request)) continue;
    std::string buyer = row.order.buyer;
    dead_[std::move(buyer)].push_back(std::move(row));
  }
  return true;
}

/// A transaction a page: the claim keeps everybody else from writing, and none is held while Redis is slow.
Result<std::vector<OrderRow>> RebuildSource::read_page(const std::string& after_buyer) {
  auto transaction = sink_.begin(OrderSink::Access::read, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  return (*transaction)->orders_by_buyer(SaleId{row_.sale}, after_buyer, kOrdersPerRead);
}

Result<bool> RebuildSource::add_orders() {
  std::string buyer;
  for (;;) {
    auto rows = read_page(buyer);
    if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
    if (rows->empty()) return true;
    for (std::size_t i = 0; i < rows->size(); ++i) {
      const OrderRow& row = (*rows)[i];
      add_order(row);
      if (i + 1 < rows->size() && (*rows)[i + 1].order.buyer == row.order.buyer) continue;
      if (!end_buyer(row.order.buyer)) return false;
    }
    buyer = std::move(rows->back().order.buyer);
  }
}

void RebuildSource::add_order(const OrderRow& row) {
  const std::size_t item = item_index(row.order.item);
  if (item == 0) return;  // the sink's own constraints exclude it
  const core::RecordState state = core::record_state(row.state);
  const bool held = row.state == OrderState::reserved && hold_until_ms_ > 0;
  const std::int64_t until = row.order.hold_until_ms > 0 ? row.order.hold_until_ms : hold_until_ms_;
  writer_.add({row.order.request, item, row.order.quantity, row.order.id, state, held ? until : 0});
  if (core::holds_units(state)) booked_[item - 1] += row.order.quantity;
  if (held) {
    holds_.add(std::to_string(until), to_string(row.order.id.at) + " " + row.order.buyer);
    ++held_;
  }
  ++orders_;
}

/// The buyer's dead orders stand behind the stored ones, so that a request which has both answers with the stored.
bool RebuildSource::end_buyer(const std::string& buyer) {
  if (const auto dead = dead_.find(buyer); dead != dead_.end()) {
    for (const DeadRow& row : dead->second) {
      const auto state = row.fate == DeadFate::dropped ? core::RecordState::released : core::RecordState::dead;
      writer_.add({row.order.request, item_index(row.order.item), row.order.quantity, row.order.id, state, 0});
    }
    dead_.erase(dead);
  }
  if (writer_.empty()) return true;
  record_.clear();
  writer_.finish(record_);
  buyers_.add(buyer, record_);
  if (holds_.is_full() && !hand_over(holds_)) return false;
  return !buyers_.is_full() || hand_over(buyers_);
}

/// Buyers all of whose orders were set aside.
Result<bool> RebuildSource::add_left_dead() {
  while (!dead_.empty()) {
    const std::string buyer = dead_.begin()->first;
    if (!end_buyer(buyer)) return false;
  }
  return true;
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

Result<bool> RebuildSource::finish() { return hand_over(buyers_) && hand_over(holds_); }

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
