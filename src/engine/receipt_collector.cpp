#include "engine/receipt_collector.hpp"

#include <algorithm>
#include <cstdlib>

#include "engine/counters.hpp"
#include "engine/entry_rules.hpp"
#include "engine/log.hpp"
#include "engine/receipt_keeper.hpp"
#include "engine/script_runner.hpp"
#include "util/crash_point.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {
namespace {

constexpr milliseconds kLookAgain{10};
constexpr std::size_t kReceiptsPerPage = 1000;
constexpr Verb kActs[] = {Verb::reserve, Verb::confirm, Verb::release};  // an order is moved once it is there

Deadline call_deadline(Deadline deadline) { return std::min(deadline, util::Clock::now() + kClaimCallTimeout); }

std::vector<Order> orders_of(const std::vector<Receipt>& receipts) {
  std::vector<Order> orders;
  for (const Receipt& receipt : receipts) orders.push_back(receipt.order);
  return orders;
}

}  // namespace

Result<bool> ReceiptCollector::await(Deadline until, Deadline deadline) {
  until = std::min(until, deadline);
  for (;;) {
    auto awaiting = is_awaiting(call_deadline(deadline));
    if (!awaiting) return awaiting;
    if (!*awaiting || (stop_ != nullptr && stop_->is_requested())) return true;
    if (auto ours = claim_.beat(call_deadline(deadline)); !ours || !*ours) return ours;
    if (sleep_within(kLookAgain, until)) continue;
    log(LogLevel::warning, "sale {}: not every gate handed in its receipts in time; going on without", sale_);
    return true;
  }
}

/// By the database's clock, in both directions: it may have been set back.
Result<bool> ReceiptCollector::is_awaiting(Deadline deadline) {
  auto transaction = sink_.begin(OrderSink::Access::read, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto holders = (*transaction)->receipt_holders(SaleId{sale_});
  if (!holders) return tl::unexpected<Error>(std::move(holders.error()));
  if (holders->empty()) return false;
  auto now = (*transaction)->now_ms();
  if (!now) return tl::unexpected<Error>(std::move(now.error()));
  return std::any_of(holders->begin(), holders->end(), [&](const ReceiptHolder& holder) {
    return holder.handed_epoch < claim_.epoch() && std::abs(*now - holder.beat_ms) <= kHolderSilence.count();
  });
}

Result<bool> ReceiptCollector::apply(Deadline deadline) {
  if (auto any = learn_epoch(call_deadline(deadline)); !any || !*any) return any ? true : any;
  for (const Verb act : kActs)
    if (auto applied = apply_act(act, deadline); !applied || !*applied) return applied;
  return true;
}

/// False: nothing was handed in.
Result<bool> ReceiptCollector::learn_epoch(Deadline deadline) {
  bool any = false;
  auto transaction = sink_.begin(OrderSink::Access::read, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  for (const Verb act : kActs) {
    for (OrderId after;;) {
      auto page = (*transaction)->receipts(SaleId{sale_}, act, after, kReceiptsPerPage);
      if (!page) return tl::unexpected<Error>(std::move(page.error()));
      if (page->empty()) break;
      any = true;
      for (const Receipt& receipt : *page) epoch_ = std::max(epoch_, receipt.at.epoch);
      after = page->back().order.id;
    }
  }
  return any;
}

/// A transaction a page, each of which beats.
Result<bool> ReceiptCollector::apply_act(Verb act, Deadline deadline) {
  for (OrderId after;;) {
    auto held = claim_.open(call_deadline(deadline));
    if (!held) return tl::unexpected<Error>(std::move(held.error()));
    if (!*held) return false;
    SinkTransaction& transaction = *(*held)->transaction;
    auto page = transaction.receipts(SaleId{sale_}, act, after, kReceiptsPerPage);
    if (!page) return tl::unexpected<Error>(std::move(page.error()));
    if (page->empty()) return true;
    after = page->back().order.id;
    handed_ += page->size();
    auto done = apply_page(transaction, (*held)->row, act, *page);
    if (done) done = transaction.put_sale((*held)->row);
    if (done) done = transaction.commit();
    if (!done) return tl::unexpected<Error>(std::move(done.error()));
    util::crash_point("reconcile.in_receipts");
  }
}

Result<Done> ReceiptCollector::apply_page(SinkTransaction& transaction, const SaleRow& row, Verb act,
                                          const Page& page) {
  const std::uint64_t epoch = std::max(epoch_, row.watermark.epoch);
  Page due;
  ReceiptLookup lookup(transaction, sale_);
  for (const Receipt& receipt : page) {
    if (surely_has(row.watermark, receipt.at)) continue;
    if (receipt.at.epoch == epoch && epoch < claim_.epoch()) {
      due.push_back(receipt);
    } else {
      auto found = lookup.finds(receipt);
      if (!found) return tl::unexpected<Error>(std::move(found.error()));
      if (!*found) lost_.add(receipt, "the sale went on without it");
    }
  }
  return act == Verb::reserve ? insert(transaction, due) : move(transaction, act, due);
}

Result<Done> ReceiptCollector::insert(SinkTransaction& transaction, const Page& page) {
  const std::vector<Order> orders = orders_of(page);
  auto verdicts = transaction.insert_orders(SaleId{sale_}, orders.data(), orders.size());
  if (!verdicts) return tl::unexpected<Error>(std::move(verdicts.error()));
  if (verdicts->size() != page.size()) return fail(ErrorCode::internal, "the sink gave too few verdicts");
  for (std::size_t i = 0; i < page.size(); ++i) {
    const Insert verdict = (*verdicts)[i];
    if (verdict == Insert::inserted)
      ++orders_;
    else if (verdict == Insert::conflict)
      lost_.add(page[i], "another order is in its place");
    else if (verdict != Insert::same)
      lost_.add(page[i], reason_of(verdict));
  }
  return {};
}

Result<Done> ReceiptCollector::move(SinkTransaction& transaction, Verb act, const Page& page) {
  const std::vector<Order> orders = orders_of(page);
  const OrderState to = act == Verb::confirm ? OrderState::confirmed : OrderState::released;
  auto moved = transaction.move_orders(SaleId{sale_}, to, orders.data(), orders.size());
  if (!moved) return tl::unexpected<Error>(std::move(moved.error()));
  ReceiptLookup lookup(transaction, sale_);
  for (std::size_t i = 0; i < page.size(); ++i) {
    if ((*moved)[i]) {
      ++moves_;
      continue;
    }
    auto found = lookup.finds(page[i]);
    if (!found) return tl::unexpected<Error>(std::move(found.error()));
    if (!*found) lost_.add(page[i], "the order is not there, or in another state");
  }
  return {};
}

/// Whoever was silent for long is gone, and its row with it.
Result<Done> ReceiptCollector::finish(SinkTransaction& transaction) {
  auto dropped = transaction.drop_receipts(SaleId{sale_}, {claim_.epoch(), 0});
  if (!dropped) return tl::unexpected<Error>(std::move(dropped.error()));
  auto now = transaction.now_ms();
  if (!now) return tl::unexpected<Error>(std::move(now.error()));
  auto gone = transaction.drop_receipt_holders(SaleId{sale_}, *now - 60 * kHolderSilence.count());
  if (!gone) return gone;
  lost_.report(sale_);
  if (*dropped <= handed_) return {};
  counters().receipts_lost.add(*dropped - handed_);
  log(LogLevel::alarm, "sale {}: {} receipts were handed in too late to be looked at", sale_, *dropped - handed_);
  return {};
}

void ReceiptCollector::report() const {
  counters().orders_committed.add(orders_);
  counters().receipts_saved.add(orders_ + moves_);
  if (handed_ > 0)
    log(LogLevel::info, "sale {}: by {} receipts {} orders came back, and {} confirms and releases", sale_, handed_,
        orders_, moves_);
}

}  // namespace flashsale::engine
