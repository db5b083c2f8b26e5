#include <algorithm>

#include "core/times.hpp"
#include "engine/control_acts.hpp"

namespace flashsale::engine {
namespace {

/// The replies of one look at a sale, in this order. Of a replica's plain commands the last two are the rest of what
/// read.lua tells by itself.
enum Part : std::size_t { kMeta, kOrders, kJournal, kGuard, kInfo, kTime };

Result<core::PrimaryRead> look(const ControlledSale& sale, Role from) {
  const core::Keys& keys = sale.keys;
  std::vector<Command> commands{
      {"HGETALL", keys.meta}, {"LLEN", keys.orders}, {"XLEN", keys.journal}, {"HGET", keys.buyers, "#"}};
  if (from == Role::primary) return read_at_primary(*sale.pool, sale.id, commands, sale.deadline);
  commands.push_back({"INFO", "replication"});
  commands.push_back({"TIME"});
  auto replies = run_commands(*sale.pool, from, sale.id, commands, sale.deadline);
  if (!replies) return unexpected(std::move(replies.error()));
  const auto now_ms = core::read_time((*replies)[kTime]).value_or(0);
  std::string replication = std::move((*replies)[kInfo].text);
  return core::PrimaryRead{now_ms, std::move(replication), std::move(*replies)};
}

std::uint64_t waiting_of(const core::SaleMeta& meta, const std::vector<Reply>& seen) {
  const auto length = [&](Part part) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(seen[part].integer, 0));
  };
  if (meta.queue == QueueMode::list) return length(kOrders);
  if (meta.epoch == meta.watermark.epoch) return meta.seq - std::min(meta.seq, meta.watermark.seq);
  // In another epoch than the watermark's a difference says nothing; the journal holds what is not trimmed yet.
  return length(kJournal);
}

SaleStatus to_status(const ControlledSale& sale, const core::SaleMeta& meta, const core::PrimaryRead& seen) {
  SaleStatus status;
  status.sale = sale.id;
  status.state = meta.state;
  status.queue = meta.queue;
  status.fenced = !meta.rec.empty() || !core::is_history(seen.replication, meta.hist) ||
                  seen.replies[kGuard].text != std::to_string(meta.epoch);
  status.now_ms = std::max(seen.now_ms, meta.last_ms);
  status.opens_ms = meta.opens_ms;
  status.closes_ms = meta.closes_ms;
  status.hold_ms = meta.hold_ms;
  status.probe_ms = meta.probe_ms;
  status.replicas = meta.replicas;
  status.buyer_orders_max = meta.buyer_orders_max;
  status.at = {meta.epoch, meta.seq};
  if (meta.queue == QueueMode::journal) status.watermark = meta.watermark;
  status.waiting = waiting_of(meta, seen.replies);
  status.held = meta.held;
  for (const auto& item : meta.items) status.items.push_back({item.item, item.total, item.booked, item.limit});
  return status;
}

}  // namespace

Result<SaleStatus> read_status(const ControlledSale& sale, Role from) {
  auto seen = look(sale, from);
  if (!seen) return unexpected(std::move(seen.error()));
  auto meta = core::read_meta(seen->replies[kMeta], core::Rebuilding::read);
  if (meta) return to_status(sale, *meta, *seen);
  if (meta.error().code != ErrorCode::not_found) return unexpected(std::move(meta.error()));
  if (from == Role::replica) return read_status(sale, Role::primary);  // a replica may not have it yet
  const bool guarded = seen->replies[kGuard].type != Reply::Type::nil;
  return unexpected(error_of_verdict(sale, guarded ? "fenced" : "absent"));
}

}  // namespace flashsale::engine

namespace flashsale {

std::string_view SaleStatus::phase() const {
  // The order in which lua/reserve.lua asks.
  if (state == SaleState::closed || state == SaleState::retired || (closes_ms > 0 && now_ms >= closes_ms))
    return "ended";
  if (state == SaleState::paused) return "paused";
  if (state == SaleState::draining) return "draining";
  if (state != SaleState::open || now_ms < opens_ms) return "not_started";
  return fenced ? "paused" : "open";
}

}  // namespace flashsale
