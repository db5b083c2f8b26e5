#include "engine/reconcile.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>

#include "core/keyspace.hpp"
#include "core/positions.hpp"
#include "engine/counters.hpp"
#include "engine/entry_applier.hpp"
#include "engine/entry_rules.hpp"
#include "engine/log.hpp"
#include "engine/rebuild.hpp"
#include "engine/receipt_collector.hpp"
#include "engine/reconcile_claim.hpp"
#include "engine/sale_standing.hpp"
#include "engine/script_runner.hpp"
#include "engine/settle.hpp"
#include "util/crash_point.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kSurvivorsPerRead = 16;  // up to 512 orders each

/// What a step of a reconcile came to.
enum class Went : std::uint8_t { on, again, nothing_to_do };

/// One reconcile of one sale, from the look at the primary to the settled watermark, again and again until it went
/// through or the deadline came. Every write in Redis checks `rec`, every write in the database the claim.
class Reconciler {
 public:
  Reconciler(ConnectionPool& pool, OrderSink& sink, std::string_view sale, Deadline deadline, Loss loss,
             const ReconcileWatch& watch)
      : pool_(pool),
        sink_(sink),
        sale_(sale),
        keys_(sale),
        deadline_(deadline),
        loss_(loss),
        stop_(watch.stop),
        repair_(watch.repair),
        audited_(watch.audited),
        waits_(watch.waits),
        receipt_grace_(watch.receipt_grace),
        claim_(sink, sale_) {}

  /// True: rebuilt; false: there was nothing to do.
  Result<bool> run() {
    for (int tries = 1;; ++tries) {
      auto went = attempt();
      if (went && *went != Went::again) return *went == Went::on;
      const bool gives_up = is_stopped() || (!waits_ && claim_.epoch() == 0);
      if (!went || gives_up || !sleep_within(pause_before(tries), deadline_)) {
        claim_.let_go(util::Clock::now() + kClaimCallTimeout);
        if (!went) return tl::unexpected<Error>(std::move(went.error()));
        if (is_stopped()) return fail(ErrorCode::closed, fmt::format("sale {}: the reconcile was stopped", sale_));
        return fail(ErrorCode::timed_out, fmt::format("sale {}: not reconciled yet: {}", sale_, obstacle_));
      }
    }
  }

 private:
  using Stage = Result<Went> (Reconciler::*)();

  Result<Went> attempt() {
    for (const Stage stage :
         {&Reconciler::confirm, &Reconciler::claim, &Reconciler::close, &Reconciler::confirm, &Reconciler::drain,
          &Reconciler::collect, &Reconciler::rebuild, &Reconciler::confirm, &Reconciler::reopen, &Reconciler::finish}) {
      auto went = (this->*stage)();
      if (!went || *went != Went::on) return went;
    }
    return Went::on;
  }

  Result<Went> confirm();
  Result<Went> claim();
  Result<Went> close();
  Result<Went> drain();
  Result<Went> collect();
  Result<Went> rebuild();
  Result<Went> reopen();
  Result<Went> finish();

  Result<Done> record(SinkTransaction& transaction, std::int64_t now_ms);
  Result<Went> take(const SaleRow& before, const RedisSide& side);
  Result<Went> refuse_close(std::string_view verdict);
  Result<Went> apply_survivors(std::vector<JournalEntry>& entries);
  bool survives(const SaleRow& row, const JournalEntry& entry);
  std::vector<std::string> reopen_arguments() const;

  Went again(std::string obstacle) {
    obstacle_ = std::move(obstacle);
    return Went::again;
  }
  bool is_stopped() const { return stop_ != nullptr && stop_->is_requested(); }
  Deadline call_deadline() const { return std::min(deadline_, util::Clock::now() + kClaimCallTimeout); }

  ConnectionPool& pool_;
  OrderSink& sink_;
  const std::string sale_;
  const core::Keys keys_;
  const Deadline deadline_;
  const Loss loss_;
  const util::StopSource* const stop_;
  std::vector<RepairRow>* const repair_;
  const std::uint64_t audited_;
  const bool waits_;
  const milliseconds receipt_grace_;
  ReconcileClaim claim_;
  std::string obstacle_ = "the deadline came first";

  // Learned by the stages of one attempt.
  std::string sink_id_;
  std::string history_;
  SaleRow row_;
  std::optional<ReceiptCollector> receipts_;
  std::int64_t now_ms_ = 0;
  Rebuilt rebuilt_;
  std::string link_;
  std::uint64_t epoch_left_out_ = 0;
};

/// Step 1, and again before the first and the last that cannot be taken back: drained entries and the new watermark. A
/// primary that was killed may come back empty while the others are still being asked, or while it is rebuilt, and its
/// replica, which has what was told at level `replicas`, be promoted meanwhile. Each next step finds out by itself
/// whether it is at the node whose gate was closed.
Result<Went> Reconciler::confirm() {
  auto agreed = pool_.confirm_primary(core::slot_of(sale_), call_deadline());
  if (agreed) return Went::on;
  if (agreed.error().code != ErrorCode::disconnected) return tl::unexpected<Error>(std::move(agreed.error()));
  return again(std::move(agreed.error().detail));
}

/// Steps 1 and 2. Nothing is written for a sale that is in order, or that only the operator may reopen.
Result<Went> Reconciler::claim() {
  auto id = sink_.id(call_deadline());
  if (!id) return tl::unexpected<Error>(std::move(id.error()));
  sink_id_ = std::move(*id);
  auto before = read_row(sink_, sale_, call_deadline());
  if (!before) return tl::unexpected<Error>(std::move(before.error()));
  if (!*before) return fail(ErrorCode::not_found, fmt::format("{} has no sale {}", sink_.describe(), sale_));
  if (const SaleState state = (*before)->state; state == SaleState::creating || state == SaleState::retired)
    return fail(ErrorCode::conflict, fmt::format("sale {} is {}: it is not to be in Redis", sale_, name(state)));
  auto side = look_at(pool_, sale_, {{}, 0, /*newest=*/true}, call_deadline());
  if (!side) return tl::unexpected<Error>(std::move(side.error()));
  return take(**before, *side);
}

Result<Went> Reconciler::take(const SaleRow& before, const RedisSide& side) {
  auto transaction = sink_.begin(OrderSink::Access::write, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto row = (*transaction)->lock_sale(SaleId{sale_});
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  auto now = (*transaction)->now_ms();
  if (!now) return tl::unexpected<Error>(std::move(now.error()));
  if (!*row || has_moved(before, **row)) return again("other workers are busy with it");

  const Judgement judged = judge(**row, side, sink_id_);
  const bool is_good = judged.standing == Standing::good;
  if (is_good && (repair_ == nullptr || (*row)->fence_epoch != audited_)) return Went::nothing_to_do;
  const bool may_go_on = is_good || judged.standing == Standing::fenced ||
                         (judged.standing == Standing::went_back && loss_ == Loss::accept);
  if (!may_go_on) return tl::unexpected<Error>(to_error(judged, sale_, sink_.describe()));
  if (!claim_.is_free(**row, *now)) return again("another reconcile is at it");
  const std::uint64_t epoch = std::max({(*row)->fence_epoch, highest_epoch(side), side.watermark.epoch}) + 1;
  if (auto noted = record(**transaction, *now); !noted) return tl::unexpected<Error>(std::move(noted.error()));
  if (auto taken = claim_.take(**transaction, **row, epoch); !taken)
    return tl::unexpected<Error>(std::move(taken.error()));
  row_ = std::move(**row);
  history_ = side.history;
  log(judged.standing == Standing::went_back ? LogLevel::alarm : LogLevel::warning,
      "sale {}: {}; reconciling it under epoch {}", sale_, is_good ? "an audit found differences" : judged.why, epoch);
  util::crash_point("reconcile.after_claim");
  return Went::on;
}

/// With the claim, not with the end: whoever has to finish this rebuild in our place knows nothing of a repair.
Result<Done> Reconciler::record(SinkTransaction& transaction, std::int64_t now_ms) {
  if (repair_ == nullptr) return {};
  for (RepairRow& row : *repair_) row.at_ms = now_ms;
  return transaction.put_repair(SaleId{sale_}, repair_->data(), repair_->size());
}

/// Step 3: from here on nothing is sold on this node.
Result<Went> Reconciler::close() {
  ScriptCall call{"close_gate", {keys_.meta}, {"", std::to_string(claim_.epoch()), claim_.uuid(), history_}};
  auto answer = run_script(pool_, sale_, std::move(call), call_deadline());
  if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
  if (answer->verdict() != "ok") return refuse_close(answer->verdict());
  now_ms_ = answer->integer(2);
  const auto watermark = core::to_position(answer->text(4));
  if (watermark && *watermark > row_.watermark && loss_ == Loss::refuse) return refuse_close("ahead");
  util::crash_point("reconcile.after_close");
  return Went::on;
}

Result<Went> Reconciler::refuse_close(std::string_view verdict) {
  if (verdict == "layout") return fail(ErrorCode::unsupported, fmt::format("sale {}: Redis has another layout", sale_));
  // Redis knows more than it did at the look, or is another node: the next look judges that, by the old fence_epoch.
  if (verdict == "ahead")
    if (auto undone = claim_.undo(call_deadline()); !undone) return tl::unexpected<Error>(std::move(undone.error()));
  return again(fmt::format("closing the gate was answered by '{}'", verdict));
}

/// Step 4: whatever Redis still has and the database has not. Asynchronous replication and both kinds of file keep a
/// prefix of what was written, so all of it should fit.
Result<Went> Reconciler::drain() {
  Position read_to = row_.watermark;
  epoch_left_out_ = 0;
  for (;;) {
    auto side = look_at(pool_, sale_, {read_to, kSurvivorsPerRead, false}, call_deadline());
    if (!side) return tl::unexpected<Error>(std::move(side.error()));
    if (side->rec != claim_.rec()) return again("Redis lost the closed gate");
    if (side->entries.empty()) break;
    read_to = side->entries.back().at;
    auto applied = apply_survivors(side->entries);
    if (!applied || *applied != Went::on) return applied;
  }
  util::crash_point("reconcile.after_drain");
  return Went::on;
}

Result<Went> Reconciler::apply_survivors(std::vector<JournalEntry>& entries) {
  auto held = claim_.open(call_deadline());
  if (!held) return tl::unexpected<Error>(std::move(held.error()));
  if (!*held) return again("another reconcile took over");
  SaleRow& row = (*held)->row;
  EntryApplier applier(*(*held)->transaction, row, Known::is_left);
  for (JournalEntry& entry : entries) {
    if (!survives(row, entry)) continue;
    auto applied = applier.apply(entry);
    if (applied) continue;
    if (applied.error().code != ErrorCode::conflict) return tl::unexpected<Error>(std::move(applied.error()));
    log(LogLevel::alarm, "{}; it and what follows it in its epoch are left out", applied.error().detail);
    epoch_left_out_ = entry.at.epoch;
  }
  auto applied = applier.finish();
  if (!applied) return tl::unexpected<Error>(std::move(applied.error()));
  if (auto done = (*held)->transaction->commit(); !done) return tl::unexpected<Error>(std::move(done.error()));
  counters().orders_committed.add(applied->orders);
  counters().dead_orders.add(applied->dead);
  counters().commits.add(1);
  row_ = std::move(row);
  return Went::on;
}

/// Whether an entry follows what the database has. The row moves only with entries that do, so after one that does
/// not, its epoch has no more; but the marker of a later epoch, which a cut-off reconcile reopened, begins anew.
bool Reconciler::survives(const SaleRow& row, const JournalEntry& entry) {
  const Fit how = fit(row, entry);
  const bool fits =
      how == Fit::next || (how == Fit::begins && (entry.kind == EntryKind::reopen || entry.kind == EntryKind::create));
  if (entry.at.epoch < claim_.epoch() && entry.at.epoch != epoch_left_out_ && fits) return true;
  if (entry.at.epoch != epoch_left_out_)
    log(LogLevel::alarm, "sale {}: entry {} survived in Redis but does not follow {}: its epoch is left out from there",
        sale_, to_string(entry.at), to_string(row.watermark));
  epoch_left_out_ = entry.at.epoch;
  return false;
}

/// Step 4, of what did not survive: gates hand in what they told their callers.
Result<Went> Reconciler::collect() {
  receipts_.emplace(sink_, sale_, claim_, stop_);
  auto ours = receipts_->await(util::Clock::now() + receipt_grace_, deadline_);
  if (ours && *ours) ours = receipts_->apply(deadline_);
  if (!ours) return tl::unexpected<Error>(std::move(ours.error()));
  if (!*ours) return again("another reconcile took over");
  util::crash_point("reconcile.after_receipts");
  return Went::on;
}

/// Step 5. The scripts are loaded before the gate opens, so that a gate needs no right to load them.
Result<Went> Reconciler::rebuild() {
  if (auto loaded = load_scripts(pool_, sale_, call_deadline()); !loaded)
    return tl::unexpected<Error>(std::move(loaded.error()));
  Rebuild work(pool_, sink_, row_, claim_.rec(), now_ms_,
               [this]() -> Result<bool> { return is_stopped() ? Result<bool>(false) : claim_.beat(call_deadline()); });
  auto rebuilt = work.run(deadline_);
  if (!rebuilt) return tl::unexpected<Error>(std::move(rebuilt.error()));
  if (!rebuilt->complete) return again("another reconcile took over, or Redis was emptied, while it was rebuilt");
  rebuilt_ = std::move(*rebuilt);
  util::crash_point("reconcile.after_rebuild");
  return Went::on;
}

/// Step 6, in Redis.
Result<Went> Reconciler::reopen() {
  ScriptCall call{"reopen", {keys_.meta, keys_.buyers, keys_.journal}, reopen_arguments()};
  call.not_after_at = 5;
  auto answer = run_script(pool_, sale_, std::move(call), call_deadline());
  if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
  if (answer->verdict() == "ahead")
    return fail(ErrorCode::conflict,
                fmt::format("sale {}: Redis' journal takes no entry of epoch {}: the database went back, or somebody "
                            "else wrote there",
                            sale_, claim_.epoch()));
  if (answer->verdict() != "ok" && answer->verdict() != "same")
    return again(fmt::format("reopening was answered by '{}'", answer->verdict()));
  link_ = answer->text(3);
  util::crash_point("reconcile.after_reopen");
  return Went::on;
}

std::vector<std::string> Reconciler::reopen_arguments() const {
  std::vector<std::string> arguments{
      "", claim_.rec(), history_, std::to_string(claim_.epoch()), std::to_string(rebuilt_.chunks), ""};
  const auto add = [&](std::string field, std::string value) {
    arguments.push_back(std::move(field));
    arguments.push_back(std::move(value));
  };
  add("state", std::string(name(row_.state)));
  add("opens_ms", std::to_string(row_.opens_ms));
  add("closes_ms", std::to_string(row_.closes_ms));
  add("hold_ms", std::to_string(row_.hold_ms));
  add("probe_ms", std::to_string(row_.probe_ms));
  add("held", std::to_string(rebuilt_.held));
  add("replicas", std::to_string(row_.replicas));
  add("buyer_orders_max", std::to_string(row_.buyer_orders_max));
  add("queue", "journal");
  add("sink", sink_id_);
  add("uuid", row_.uuid);
  add("items", std::to_string(row_.items.size()));
  for (std::size_t i = 0; i < row_.items.size(); ++i) {
    add(fmt::format("item:{}", i + 1), row_.items[i].item);
    add(fmt::format("total:{}", i + 1), std::to_string(row_.items[i].total));
    add(fmt::format("booked:{}", i + 1), std::to_string(rebuilt_.booked[i]));
    add(fmt::format("limit:{}", i + 1), std::to_string(row_.items[i].limit));
  }
  return arguments;
}

/// Step 6, in the database, then the watermark in Redis. What is not credited yet was rebuilt as returned; nothing else
/// can be among it, since nobody commits under our claim.
Result<Went> Reconciler::finish() {
  auto held = claim_.open(call_deadline());
  if (!held) return tl::unexpected<Error>(std::move(held.error()));
  if (!*held) return again("another reconcile took over");
  SinkTransaction& transaction = *(*held)->transaction;
  SaleRow& row = (*held)->row;
  for (;;) {
    auto returned = transaction.uncredited(SaleId{sale_}, 1000);
    if (!returned) return tl::unexpected<Error>(std::move(returned.error()));
    if (returned->empty()) break;
    std::vector<OrderId> ids;
    for (const OrderRow& order : *returned) ids.push_back(order.order.id);
    if (auto marked = transaction.mark_credited(SaleId{sale_}, ids.data(), ids.size()); !marked)
      return tl::unexpected<Error>(std::move(marked.error()));
  }
  if (auto forgotten = receipts_->finish(transaction); !forgotten)
    return tl::unexpected<Error>(std::move(forgotten.error()));
  row.rec_uuid.clear();
  row.watermark = {claim_.epoch(), 0};
  row.link = link_;
  if (auto put = transaction.put_sale(row); !put) return tl::unexpected<Error>(std::move(put.error()));
  if (auto repaired = transaction.finish_repairs(SaleId{sale_}, claim_.epoch()); !repaired)
    return tl::unexpected<Error>(std::move(repaired.error()));
  if (auto done = transaction.commit(); !done) return tl::unexpected<Error>(std::move(done.error()));
  (*held)->transaction.reset();
  counters().reconciles.add(1);
  receipts_->report();
  log(LogLevel::info, "sale {}: reconciled, {} orders, epoch {}", sale_, rebuilt_.orders, claim_.epoch());
  claim_.finished();
  util::crash_point("reconcile.after_finish");
  // The sale is whole and sells; a watermark that could not be told is told by the next worker that looks.
  static_cast<void>(settle(pool_, sink_, sale_, call_deadline()));
  return Went::on;
}

}  // namespace

Result<Done> reconcile(const std::shared_ptr<ConnectionPool>& pool, const std::shared_ptr<OrderSink>& sink,
                       std::string_view sale, Deadline deadline, Loss loss, ReconcileWatch* watch) {
  auto rebuilt = Reconciler(*pool, *sink, sale, deadline, loss, watch == nullptr ? ReconcileWatch{} : *watch).run();
  if (!rebuilt) return tl::unexpected<Error>(std::move(rebuilt.error()));
  if (watch != nullptr) watch->rebuilt = *rebuilt;
  return {};
}

Result<Done> reopen_list(const std::shared_ptr<ConnectionPool>& pool, std::string_view sale, Deadline deadline) {
  const core::Keys keys(sale);
  if (auto loaded = load_scripts(*pool, sale, deadline); !loaded) return loaded;
  ScriptCall call{"reopen_list", {keys.meta, keys.buyers}, {"", ""}, 1, 0};
  auto answer = run_script(*pool, sale, std::move(call), deadline);
  if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
  const auto verdict = answer->verdict();
  if (verdict == "ok") {
    log(LogLevel::alarm, "sale {}: reopened on what Redis has, under epoch {}", sale, answer->text(3));
    return {};
  }
  if (verdict == "absent") return fail(ErrorCode::not_found, fmt::format("there is no sale {} in Redis", sale));
  if (verdict == "journal")
    return fail(ErrorCode::unsupported, fmt::format("sale {} has a database: reconcile it from there", sale));
  if (verdict == "layout") return fail(ErrorCode::unsupported, fmt::format("sale {}: Redis has another layout", sale));
  return fail(ErrorCode::disconnected, fmt::format("sale {}: the node is no primary", sale));
}

}  // namespace flashsale::engine
