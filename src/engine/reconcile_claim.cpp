#include "engine/reconcile_claim.hpp"

#include <cstdlib>

#include "util/deadline.hpp"
#include "util/random.hpp"

namespace flashsale::engine {

ReconcileClaim::ReconcileClaim(OrderSink& sink, std::string sale)
    : sink_(sink), sale_(std::move(sale)), uuid_(util::random_hex(16)) {}

// A beat from the future is one from before the database's clock stepped back: whoever is alive beats anew.
bool ReconcileClaim::is_free(const SaleRow& row, std::int64_t now_ms) const {
  return row.rec_uuid.empty() || row.rec_uuid == uuid_ || std::abs(now_ms - row.rec_beat_ms) > kClaimSilence.count();
}

Result<Done> ReconcileClaim::take(SinkTransaction& transaction, const SaleRow& row, std::uint64_t epoch) {
  auto now = transaction.now_ms();
  if (!now) return tl::unexpected<Error>(std::move(now.error()));
  SaleRow mine = row;
  mine.fence_epoch = epoch;
  mine.rec_uuid = uuid_;
  mine.rec_beat_ms = *now;
  if (auto put = transaction.put_sale(mine); !put) return put;
  if (auto committed = transaction.commit(); !committed) return committed;
  epoch_before_ = row.fence_epoch;
  uuid_before_ = row.rec_uuid;
  epoch_ = epoch;
  beaten_ = util::Clock::now();
  return {};
}

Result<std::optional<HeldRow>> ReconcileClaim::open(Deadline deadline) {
  auto transaction = sink_.begin(OrderSink::Access::write, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto row = (*transaction)->lock_sale(SaleId{sale_});
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  if (!*row || (*row)->rec_uuid != uuid_ || (*row)->fence_epoch != epoch_) return std::nullopt;
  auto now = (*transaction)->now_ms();
  if (!now) return tl::unexpected<Error>(std::move(now.error()));
  (*row)->rec_beat_ms = *now;
  beaten_ = util::Clock::now();
  return HeldRow{std::move(*transaction), std::move(**row)};
}

Result<bool> ReconcileClaim::beat(Deadline deadline) {
  if (util::Clock::now() - beaten_ < kClaimBeat) return true;
  auto held = open(deadline);
  if (!held) return tl::unexpected<Error>(std::move(held.error()));
  if (!*held) return false;
  auto beaten = (*held)->transaction->put_sale((*held)->row);
  if (beaten) beaten = (*held)->transaction->commit();
  if (!beaten) return tl::unexpected<Error>(std::move(beaten.error()));
  return true;
}

Result<Done> ReconcileClaim::undo(Deadline deadline) {
  auto held = open(deadline);
  if (!held) return tl::unexpected<Error>(std::move(held.error()));
  if (!*held) return {};
  SaleRow& row = (*held)->row;
  row.fence_epoch = epoch_before_;
  // Whose unfinished reconcile we had taken over is named again: the sale is not healthy without one.
  row.rec_uuid = uuid_before_;
  row.rec_beat_ms = 0;
  if (auto put = (*held)->transaction->put_sale(row); !put) return put;
  if (auto done = (*held)->transaction->commit(); !done) return done;
  finished();
  return {};
}

void ReconcileClaim::let_go(Deadline deadline) {
  if (epoch_ == 0) return;
  auto held = open(deadline);
  if (!held || !*held) return;
  (*held)->row.rec_beat_ms = 0;
  if ((*held)->transaction->put_sale((*held)->row)) static_cast<void>((*held)->transaction->commit());
}

}  // namespace flashsale::engine
