#include "engine/journal_applier.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/keyspace.hpp"
#include "engine/counters.hpp"
#include "engine/entry_rules.hpp"
#include "engine/log.hpp"
#include "engine/returns.hpp"
#include "engine/script_runner.hpp"
#include "engine/settle.hpp"
#include "util/crash_point.hpp"

namespace flashsale::engine {
namespace {

/// Not in Redis, and rightly so: a create has yet to finish, or the sale was retired.
bool is_outside_redis(SaleState state) { return state == SaleState::creating || state == SaleState::retired; }

bool sells(std::string_view redis_state) { return redis_state == "open" || redis_state == "draining"; }

std::uint64_t entries_behind(Position at, Position watermark) {
  return at.epoch == watermark.epoch && at.seq > watermark.seq ? at.seq - watermark.seq : 0;
}

constexpr const char* kForked = "the journal has forked: it is linked to another entry than";
constexpr const char* kHasGap = "the journal has a gap: it does not follow";

/// Why `entry` cannot follow, as an error; nothing if it can.
std::optional<Error> misfit(const SaleRow& row, const JournalEntry& entry) {
  const Fit how = fit(row, entry);
  // A create leaves its marker's position in the row, or nothing at all if it was cut off before that.
  const bool first = how == Fit::begins && row.watermark == Position{} && entry.kind == EntryKind::create;
  if (entry.at.epoch == row.fence_epoch && (how == Fit::next || first)) return std::nullopt;
  const char* what = how == Fit::fork ? kForked : kHasGap;
  return Error{ErrorCode::conflict, Effect::none,
               fmt::format("sale {}: entry {}: {} {}, the last in the database", row.sale, to_string(entry.at), what,
                           to_string(row.watermark))};
}

}  // namespace

JournalApplier::JournalApplier(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, std::string sale,
                               std::size_t orders_per_commit)
    : pool_(std::move(pool)),
      sink_(std::move(sink)),
      sale_(std::move(sale)),
      orders_per_commit_(std::clamp<std::size_t>(orders_per_commit, 1, 10'000)) {}

Result<Progress> JournalApplier::step(Deadline deadline) {
  needs_reconcile_ = has_gap_ = false;
  auto progress = advance(deadline);
  const bool conflicts = !progress && progress.error().code == ErrorCode::conflict;
  if (conflicts && progress.error().detail != alarmed_) log(LogLevel::alarm, "{}", progress.error().detail);
  alarmed_ = conflicts ? progress.error().detail : std::string();
  return progress;
}

Result<Progress> JournalApplier::advance(Deadline deadline) {
  util::crash_point("worker.before_read");
  if (auto learned = learn_sink_id(deadline); !learned) return tl::unexpected<Error>(std::move(learned.error()));
  auto row = read_row(*sink_, sale_, deadline);
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  if (!*row) return fail(ErrorCode::not_found, fmt::format("{} has no sale {}", sink_->describe(), sale_));
  if (is_outside_redis((*row)->state)) return Progress{0, 0, 0, 0, (*row)->watermark, true};

  auto side = look_at(*pool_, sale_, {(*row)->watermark, entries_per_read_, false}, deadline);
  if (!side) return tl::unexpected<Error>(std::move(side.error()));
  util::crash_point("worker.after_read");
  behind_ = entries_behind(side->at, (*row)->watermark);
  const bool all_quiet = judge(**row, *side, sink_id_).standing == Standing::good && side->entries.empty() &&
                         side->at == (*row)->watermark;
  return all_quiet ? rest(**row, *side, deadline) : apply(**row, *side, deadline);
}

/// Nothing new. What a worker that died behind its commit did not tell Redis is told now.
Result<Progress> JournalApplier::rest(const SaleRow& row, const RedisSide& side, Deadline deadline) {
  Applied left;
  left.entries = side.watermark < row.watermark ? 1 : 0;
  left.paused = row.state == SaleState::paused && sells(side.state);
  if (auto told = tell(row, left, deadline); !told) return tl::unexpected<Error>(std::move(told.error()));
  return Progress{0, 0, 0, 0, row.watermark, true};
}

Result<Progress> JournalApplier::apply(const SaleRow& before, RedisSide& side, Deadline deadline) {
  util::crash_point("worker.before_begin");
  const std::size_t read = side.entries.size();
  auto transaction = sink_->begin(read > 0 ? OrderSink::Access::write : OrderSink::Access::read, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto locked = (*transaction)->lock_sale(SaleId{sale_});
  if (!locked) return tl::unexpected<Error>(std::move(locked.error()));
  if (!*locked) return fail(ErrorCode::not_found, fmt::format("{} has no sale {}", sink_->describe(), sale_));
  SaleRow& row = **locked;
  // Another applier was faster: what was read is of no use, and nothing that looks wrong in it is.
  if (has_moved(before, row)) return Progress{0, 0, 0, 0, row.watermark, false};
  if (const auto judged = judge(row, side, sink_id_); judged.standing != Standing::good)
    return tl::unexpected<Error>(refuse(judged));

  if (read == 0) {  // and yet not quiet, and both were read in one moment
    has_gap_ = true;
    return fail(ErrorCode::conflict, fmt::format("sale {}: the journal has a gap: it ends before {}, where the sale is",
                                                 sale_, to_string(side.at)));
  }
  const bool read_all = read < entries_per_read_;
  auto applied = apply_entries(**transaction, row, side);
  if (!applied) return tl::unexpected<Error>(std::move(applied.error()));
  util::crash_point("worker.before_commit");
  if (auto committed = (*transaction)->commit(); !committed) return tl::unexpected<Error>(std::move(committed.error()));
  transaction->reset();  // its connection goes back before settling takes one
  util::crash_point("worker.after_commit");
  count(*applied);
  behind_ = entries_behind(side.at, row.watermark);
  // As in `rest`: a pause that is owed since an earlier commit.
  applied->paused |= row.state == SaleState::paused && row.watermark == side.at && sells(side.state);
  if (auto told = tell(row, *applied, deadline); !told) return tl::unexpected<Error>(std::move(told.error()));
  return Progress{applied->entries, applied->orders, applied->dead,
                  behind_,          row.watermark,   read_all && applied->entries == read && row.watermark >= side.at};
}

/// Applies entries, whole ones, until they hold about as many orders as one commit should. One that does not fit stops
/// it: what is before that one is proven and committed, and the next step refuses with nothing before it.
Result<Applied> JournalApplier::apply_entries(SinkTransaction& transaction, SaleRow& row, RedisSide& side) {
  EntryApplier applier(transaction, row, Known::is_fork);
  std::size_t orders = 0;
  std::size_t count = 0;
  for (JournalEntry& entry : side.entries) {
    if (orders >= orders_per_commit_) break;
    if (auto why = misfit(row, entry)) {
      if (count > 0) break;
      has_gap_ = fit(row, entry) != Fit::fork;
      return tl::unexpected<Error>(std::move(*why));
    }
    orders += entry.orders.size();
    ++count;
    if (auto applied = applier.apply(entry); !applied) return tl::unexpected<Error>(std::move(applied.error()));
  }
  entries_per_read_ = next_read(entries_per_read_, count, orders, orders_per_commit_);
  auto applied = applier.finish();
  util::crash_point("worker.after_insert");
  return applied;
}

/// Lets Redis know what was committed. Whatever is not told because we die here, the next step or `rest` tells.
Result<Done> JournalApplier::tell(const SaleRow& row, const Applied& applied, Deadline deadline) {
  if (applied.paused)
    if (auto paused = pause_redis(row, deadline); !paused) return paused;
  if (applied.entries == 0) return {};
  if (auto settled = settle(*pool_, *sink_, sale_, deadline); !settled || !applied.returned) return settled;
  auto credited = credit(*pool_, *sink_, sale_, deadline);
  if (!credited) return tl::unexpected<Error>(std::move(credited.error()));
  return {};
}

/// Any verdict will do: a sale that cannot be paused any more sells nothing, or is fenced.
Result<Done> JournalApplier::pause_redis(const SaleRow& row, Deadline deadline) {
  log(LogLevel::alarm, "sale {}: paused, because Redis sold what the database does not allow", sale_);
  const core::Keys keys(sale_);
  ScriptCall call{"control", {keys.meta, keys.buyers, keys.journal}, {}, 2, 3};
  call.arguments = {std::to_string(row.fence_epoch), row.uuid, "", "", "pause", "", ""};
  auto answer = run_script(*pool_, sale_, std::move(call), deadline);
  if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
  return {};
}

Result<Done> JournalApplier::learn_sink_id(Deadline deadline) {
  if (!sink_id_.empty()) return {};
  auto id = sink_->id(deadline);
  if (!id) return tl::unexpected<Error>(std::move(id.error()));
  sink_id_ = std::move(*id);
  return {};
}

void JournalApplier::count(const Applied& applied) {
  totals_.orders += applied.orders;
  totals_.dead += applied.dead;
  ++totals_.commits;
  counters().orders_committed.add(applied.orders);
  counters().dead_orders.add(applied.dead);
  counters().commits.add(1);
}

Error JournalApplier::refuse(const Judgement& judgement) {
  needs_reconcile_ = judgement.standing == Standing::fenced;
  return to_error(judgement, sale_, sink_->describe());
}

Result<Done> apply_until(const std::shared_ptr<ConnectionPool>& pool, const std::shared_ptr<OrderSink>& sink,
                         std::string_view sale, Position until, Deadline deadline) {
  JournalApplier applier(pool, sink, std::string(sale));
  for (int attempt = 1;; ++attempt) {
    auto progress = applier.step(deadline);
    if (progress && progress->watermark >= until) return {};
    if (!progress && (applier.needs_reconcile() || !progress.error().retryable()))
      return tl::unexpected<Error>(std::move(progress.error()));
    if (progress && progress->entries > 0) attempt = 0;
    if (!sleep_within(attempt == 0 ? milliseconds{0} : pause_before(attempt), deadline)) {
      if (!progress) return tl::unexpected<Error>(std::move(progress.error()));
      return fail(ErrorCode::timed_out, fmt::format("sale {}: the database is at {} and not at {} yet", sale,
                                                    to_string(progress->watermark), to_string(until)));
    }
  }
}

}  // namespace flashsale::engine
