#include <algorithm>

#include "core/times.hpp"
#include "engine/control_acts.hpp"

namespace flashsale::engine {
namespace {

/// The replies of one look at a sale, in this order.
enum Part : std::size_t { kMeta, kInfo, kTime, kOrders, kJournal, kGuard };

Result<std::vector<Reply>> look(const ControlledSale& sale, Role from) {
  const core::Keys& keys = sale.keys;
  return run_commands(*sale.pool, from, sale.id,
                      {{"HGETALL", keys.meta},
                       {"INFO", "replication"},
                       {"TIME"},
                       {"LLEN", keys.orders},
                       {"XLEN", keys.journal},
                       {"HGET", keys.buyers, "#"}},
                      sale.deadline);
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

SaleStatus to_status(const ControlledSale& sale, const core::SaleMeta& meta, const std::vector<Reply>& seen) {
  SaleStatus status;
  status.sale = sale.id;
  status.state = meta.state;
  status.queue = meta.queue;
  status.fenced = !meta.rec.empty() || !core::is_history(seen[kInfo].text, meta.hist) ||
                  seen[kGuard].text != std::to_string(meta.epoch);
  status.now_ms = std::max(core::read_time(seen[kTime]).value_or(0), meta.last_ms);
  status.opens_ms = meta.opens_ms;
  status.closes_ms = meta.closes_ms;
  status.hold_ms = meta.hold_ms;
  status.probe_ms = meta.probe_ms;
  status.replicas = meta.replicas;
  status.buyer_orders_max = meta.buyer_orders_max;
  status.at = {meta.epoch, meta.seq};
  if (meta.queue == QueueMode::journal) status.watermark = meta.watermark;
  status.waiting = waiting_of(meta, seen);
  status.held = meta.held;
  for (const auto& item : meta.items) status.items.push_back({item.item, item.total, item.booked, item.limit});
  return status;
}

}  // namespace

Result<SaleStatus> read_status(const ControlledSale& sale, Role from) {
  auto seen = look(sale, from);
  if (!seen) return unexpected(std::move(seen.error()));
  auto meta = core::read_meta((*seen)[kMeta], core::Rebuilding::read);
  if (meta) return to_status(sale, *meta, *seen);
  if (meta.error().code != ErrorCode::not_found) return unexpected(std::move(meta.error()));
  if (from == Role::replica) return read_status(sale, Role::primary);  // a replica may not have it yet
  const bool guarded = (*seen)[kGuard].type != Reply::Type::nil;
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
