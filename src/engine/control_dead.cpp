// What the operator does about orders that were set aside. The database decides first and keeps the decision; settle
// tells Redis, now or, if we die here, by any worker.
#include <fmt/format.h>

#include <algorithm>

#include "engine/control_acts.hpp"
#include "engine/entry_rules.hpp"
#include "engine/settle.hpp"
#include "util/crash_point.hpp"

namespace flashsale::engine {
namespace {

Result<std::int64_t> redis_now(const ControlledSale& sale) {
  const auto read = read_at_primary(*sale.pool, sale.id, {{"HGET", sale.keys.meta, "last_ms"}}, sale.deadline);
  if (!read) return unexpected(read.error());
  return read->now_ms;
}

Result<DeadRow> find_dead(SinkTransaction& transaction, const ControlledSale& sale, OrderId order) {
  auto rows = transaction.dead(SaleId{sale.id}, /*only_untold=*/false);
  if (!rows) return unexpected(std::move(rows.error()));
  const auto found =
      std::find_if(rows->begin(), rows->end(), [&](const DeadRow& row) { return row.order.id == order; });
  if (found == rows->end())
    return fail(ErrorCode::not_found, fmt::format("no order {} of sale {} was set aside", to_string(order), sale.id));
  return std::move(*found);
}

/// Puts the order among the orders, if its cause is gone.
Result<Done> insert_again(SinkTransaction& transaction, const ControlledSale& sale, const DeadRow& dead) {
  auto verdicts = transaction.insert_orders(SaleId{sale.id}, &dead.order, 1);
  if (!verdicts) return unexpected(std::move(verdicts.error()));
  const Insert verdict = verdicts->at(0);
  if (verdict == Insert::inserted || verdict == Insert::same) return {};
  const std::string_view why = verdict == Insert::conflict ? "another order has its place" : reason_of(verdict);
  return fail(ErrorCode::conflict, fmt::format("order {} cannot be an order yet: {}", to_string(dead.order.id), why));
}

/// One transaction; a repeated decision changes nothing, and is told again.
Result<Done> decide(const ControlledSale& sale, OrderId order, DeadFate fate, std::int64_t now_ms) {
  auto transaction = sale.sink->begin(OrderSink::Access::write, sale.deadline);
  if (!transaction) return unexpected(std::move(transaction.error()));
  auto row = (*transaction)->lock_sale(SaleId{sale.id});
  if (!row) return unexpected(std::move(row.error()));
  if (!*row) return unexpected(no_such_sale(sale));
  // Whoever reconciles has read, or will, what was set aside: nobody else writes meanwhile.
  if (!(*row)->rec_uuid.empty()) return fail(ErrorCode::refused, fmt::format("sale {} is being reconciled", sale.id));
  auto dead = find_dead(**transaction, sale, order);
  if (!dead) return unexpected(std::move(dead.error()));
  if (dead->fate == fate) return {};
  if (dead->fate != DeadFate::dead)
    return fail(ErrorCode::conflict, fmt::format("order {} was {} before", to_string(order), name(dead->fate)));
  // Redis marks the decision only on an order that it knows to be set aside: else its buyer would go on holding it.
  if (!dead->told)
    return fail(ErrorCode::refused,
                fmt::format("Redis was not told yet that order {} was set aside", to_string(order)));
  dead->fate = fate;
  dead->order.hold_until_ms = (*row)->hold_ms > 0 ? now_ms + (*row)->hold_ms : 0;
  if (fate == DeadFate::retried)
    if (auto inserted = insert_again(**transaction, sale, *dead); !inserted) return inserted;
  auto decided = (*transaction)->decide_dead(SaleId{sale.id}, *dead);
  if (!decided) return unexpected(std::move(decided.error()));
  util::crash_point("dead.before_commit");
  return (*transaction)->commit();
}

}  // namespace

Result<std::vector<DeadRow>> list_dead(const ControlledSale& sale) {
  auto transaction = sale.sink->begin(OrderSink::Access::read, sale.deadline);
  if (!transaction) return unexpected(std::move(transaction.error()));
  auto row = (*transaction)->lock_sale(SaleId{sale.id});
  if (!row) return unexpected(std::move(row.error()));
  if (!*row) return fail(ErrorCode::not_found, fmt::format("{} has no sale {}", sale.sink->describe(), sale.id));
  return (*transaction)->dead(SaleId{sale.id}, /*only_untold=*/false);
}

Result<Done> decide_dead(const ControlledSale& sale, OrderId order, DeadFate fate) {
  const auto meta = read_sale_to_change(sale);
  if (!meta) return unexpected(meta.error());
  if (meta->queue == QueueMode::list)
    return fail(ErrorCode::unsupported, fmt::format("sale {} is in list mode, where nothing is set aside", sale.id));
  const auto now_ms = redis_now(sale);
  if (!now_ms) return unexpected(now_ms.error());
  if (auto told = settle(*sale.pool, *sale.sink, sale.id, sale.deadline); !told) return told;
  if (auto decided = decide(sale, order, fate, *now_ms); !decided) return decided;
  util::crash_point("dead.after_commit");
  return settle(*sale.pool, *sale.sink, sale.id, sale.deadline);
}

}  // namespace flashsale::engine
