#include "engine/control_sale.hpp"

#include <fmt/format.h>

#include "core/numbers.hpp"
#include "engine/journal_applier.hpp"
#include "engine/sale_standing.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {

Result<std::optional<SaleRow>> read_row(const ControlledSale& sale) {
  if (!sale.sink) return std::nullopt;
  return read_row(*sale.sink, sale.id, sale.deadline);
}

Error no_such_sale(const ControlledSale& sale) {
  auto row = read_row(sale);
  if (!row) return std::move(row.error());
  if (!*row || (*row)->state == SaleState::creating)
    return {ErrorCode::not_found, Effect::none, fmt::format("there is no sale {}", sale.id)};
  if ((*row)->state == SaleState::retired)
    return {ErrorCode::not_found, Effect::none, fmt::format("sale {} was retired", sale.id)};
  return {ErrorCode::lost, Effect::none,
          fmt::format("the database has sale {}, Redis has lost it: reconcile first", sale.id)};
}

Error error_of_verdict(const ControlledSale& sale, std::string_view verdict) {
  if (verdict == "absent") return no_such_sale(sale);
  if (verdict == "fenced") return {ErrorCode::refused, Effect::none, "Redis lost the sale's history: reconcile first"};
  if (verdict == "layout")
    return {ErrorCode::unsupported, Effect::none, "the sale in Redis has a layout that this library does not know"};
  return {ErrorCode::protocol, Effect::unknown, fmt::format("the script answered '{}'", verdict)};
}

Result<core::SaleMeta> read_sale(const ControlledSale& sale, core::Rebuilding rebuilding) {
  const auto read =
      read_at_primary(*sale.pool, sale.id, {{"HGETALL", sale.keys.meta}, {"EXISTS", sale.keys.buyers}}, sale.deadline);
  if (!read) return unexpected(read.error());
  auto meta = core::read_meta(read->replies[0], rebuilding);
  if (meta || meta.error().code != ErrorCode::not_found) return meta;
  // One key without the other was evicted or deleted, and that is no reason to call the sale unknown.
  return unexpected(error_of_verdict(sale, read->replies[1].integer != 0 ? "fenced" : "absent"));
}

Result<core::SaleMeta> read_sale_to_change(const ControlledSale& sale, core::Rebuilding rebuilding) {
  auto meta = read_sale(sale, rebuilding);
  if (!meta || meta->queue == QueueMode::list) return meta;
  if (!sale.sink)
    return fail(ErrorCode::unsupported,
                fmt::format("sale {} is in journal mode: its acts need the database its orders go to", sale.id));
  auto sink_id = sale.sink->id(sale.deadline);
  if (!sink_id) return unexpected(std::move(sink_id.error()));
  auto row = read_row(sale);
  if (!row) return unexpected(std::move(row.error()));
  if (*sink_id != meta->sink || !*row || (*row)->uuid != meta->uuid)
    return fail(ErrorCode::conflict,
                fmt::format("the orders of sale {} go to another database than {}", sale.id, sale.sink->describe()));
  // Nobody carries the journal of such a sale: opened now, it would sell without a database behind it.
  if ((*row)->state == SaleState::creating)
    return fail(ErrorCode::conflict,
                fmt::format("sale {} was not created to its end: create it again with the same terms", sale.id));
  return meta;
}

namespace {

/// True once the database has the entry at `at`; false if another epoch began before it had, so that the act may be
/// lost with the old one and must be asked for again.
Result<bool> make_durable(const ControlledSale& sale, const core::SaleMeta& meta, Position at) {
  if (meta.queue == QueueMode::list) return true;
  const auto explain = [](Error error) {
    error.detail = "it is done in Redis, but not yet in the database: " + error.detail;
    error.effect = Effect::unknown;
    return unexpected(std::move(error));
  };
  auto applied = apply_until(sale.pool, sale.sink, sale.id, at, sale.deadline);
  if (!applied) return explain(std::move(applied.error()));
  // A later epoch's watermark is ahead of `at` too, and says nothing of an entry that its predecessor took along.
  auto row = read_row(sale);
  if (!row) return explain(std::move(row.error()));
  return *row && (*row)->watermark.epoch == at.epoch;
}

std::optional<Position> position_of(const ScriptAnswer& answer) {
  const auto epoch = core::to_number<std::uint64_t>(answer.text(3));
  const auto seq = core::to_number<std::uint64_t>(answer.text(4));
  if (!epoch || !seq) return std::nullopt;
  return Position{*epoch, *seq};
}

}  // namespace

Result<Done> run_act(const ControlledSale& sale, const MakeCall& make_call, const ToError& to_error) {
  Effect effect = Effect::none;  // of all attempts together
  const auto failed = [&effect](Error error) {
    if (effect == Effect::unknown) error.effect = effect;
    return unexpected(std::move(error));
  };
  for (int attempt = 1;; ++attempt) {
    const auto meta = read_sale_to_change(sale);
    if (!meta) return failed(meta.error());
    auto call = make_call(*meta);
    if (!call) return failed(std::move(call.error()));
    const auto answer = run_script(*sale.pool, sale.id, std::move(*call), sale.deadline);
    if (!answer) return failed(answer.error());
    if (answer->earlier == Effect::unknown) effect = Effect::unknown;
    const auto heard = util::Clock::now();

    if (answer->verdict() == "ok" || answer->verdict() == "same") {
      effect = Effect::unknown;  // done, and perhaps not for good
      const auto at = position_of(*answer);
      if (!at) return fail(ErrorCode::protocol, "the script's reply has no position", Effect::unknown);
      const auto durable = make_durable(sale, *meta, *at);
      if (!durable) return failed(durable.error());
      if (*durable) {
        const auto in_force = heard + milliseconds{answer->integer(5) - answer->integer(2)};
        sleep_within(std::chrono::ceil<milliseconds>(in_force - util::Clock::now()), sale.deadline);
        return {};
      }
    } else if (answer->verdict() != "stale") {
      return failed(to_error(*answer));
    }
    if (!sleep_within(pause_before(attempt), sale.deadline))
      return fail(ErrorCode::timed_out, "another epoch began again and again", Effect::unknown);
  }
}

}  // namespace flashsale::engine
