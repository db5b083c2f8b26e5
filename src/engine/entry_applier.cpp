#include "engine/entry_applier.hpp"

#include <fmt/format.h>

#include <iterator>

#include "engine/entry_rules.hpp"
#include "engine/log.hpp"

namespace flashsale::engine {
namespace {

Result<Done> malformed(const SaleRow& row, const JournalEntry& entry, std::string_view why) {
  return fail(ErrorCode::conflict, fmt::format("sale {}: entry {} ({}) is none that a script of ours wrote: {}",
                                               row.sale, to_string(entry.at), name(entry.kind), why));
}

}  // namespace

Result<Done> EntryApplier::apply(JournalEntry& entry) {
  if (!entry.defect.empty()) return malformed(row_, entry, entry.defect);
  if (entry.kind == EntryKind::reserve) {
    pending_.insert(pending_.end(), std::make_move_iterator(entry.orders.begin()),
                    std::make_move_iterator(entry.orders.end()));
  } else {
    if (auto flushed = flush(); !flushed) return flushed;
    const SaleId sale{row_.sale};
    if (const auto to = moves_to(entry.kind)) {
      // An order that is not there or not reserved any more moves nothing and so credits nothing: it may be dead.
      auto moved = transaction_.move_orders(sale, *to, entry.orders.data(), entry.orders.size());
      if (!moved) return tl::unexpected<Error>(std::move(moved.error()));
      applied_.returned |= *to == OrderState::released || *to == OrderState::expired;
    } else if (entry.kind == EntryKind::restock) {
      if (auto stocked = restock(entry); !stocked) return stocked;
    } else if (entry.kind != EntryKind::create && entry.kind != EntryKind::reopen) {
      if (const auto defect = apply_act(row_, entry)) return malformed(row_, entry, *defect);
    }
  }
  step_to(row_, entry);
  ++applied_.entries;
  return {};
}

Result<Applied> EntryApplier::finish() {
  if (auto flushed = flush(); !flushed) return tl::unexpected<Error>(std::move(flushed.error()));
  if (auto put = transaction_.put_sale(row_); !put) return tl::unexpected<Error>(std::move(put.error()));
  return applied_;
}

Result<Done> EntryApplier::flush() {
  if (pending_.empty()) return {};
  auto verdicts = transaction_.insert_orders(SaleId{row_.sale}, pending_.data(), pending_.size());
  if (!verdicts) return tl::unexpected<Error>(std::move(verdicts.error()));
  if (verdicts->size() != pending_.size()) return fail(ErrorCode::internal, "the sink gave too few verdicts");
  for (std::size_t i = 0; i < pending_.size(); ++i)
    if (auto judged = judge_order(pending_[i], (*verdicts)[i]); !judged) return judged;
  pending_.clear();
  return {};
}

Result<Done> EntryApplier::judge_order(const Order& order, Insert verdict) {
  switch (verdict) {
    case Insert::inserted:
      ++applied_.orders;
      return {};
    case Insert::oversold:
    case Insert::over_limit:
    case Insert::poison:
      return set_aside(order, verdict);
    case Insert::same:
    case Insert::conflict:
      break;
  }
  if (known_ == Known::is_fork)
    return fail(ErrorCode::conflict,
                fmt::format("sale {}: the journal has forked: the database has {} in place of order {}", row_.sale,
                            verdict == Insert::same ? "the same" : "another order", to_string(order.id)));
  log(LogLevel::warning, "sale {}: order {} survived in Redis and is left as the database has it", row_.sale,
      to_string(order.id));
  return {};
}

Result<Done> EntryApplier::set_aside(const Order& order, Insert verdict) {
  DeadRow dead;
  dead.order = order;
  dead.reason = reason_of(verdict);
  dead.at = order.id.at;
  if (auto set = transaction_.set_aside(SaleId{row_.sale}, dead); !set) return set;
  ++applied_.dead;
  log(LogLevel::alarm, "sale {}: order {} was set aside: {}", row_.sale, to_string(order.id), dead.reason);
  if (proves_redis_wrong(verdict)) {
    applied_.paused = true;
    pause_row(row_);
  }
  return {};
}

/// The total is written before the next orders are judged by it.
Result<Done> EntryApplier::restock(const JournalEntry& entry) {
  const auto change = read_restock(row_, entry);
  if (!change) return malformed(row_, entry, "its arguments do not read");
  auto is_new = transaction_.put_operation(SaleId{row_.sale}, OperationId{change->operation},
                                           ItemId{change->item->item}, change->units);
  if (!is_new) return tl::unexpected<Error>(std::move(is_new.error()));
  if (!*is_new) return {};
  change->item->total += change->units;
  return transaction_.put_sale(row_);
}

}  // namespace flashsale::engine
