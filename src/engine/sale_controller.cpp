#include "flashsale/sale_controller.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/checks.hpp"
#include "core/keyspace.hpp"
#include "core/times.hpp"
#include "engine/audit.hpp"
#include "engine/control_acts.hpp"
#include "engine/control_guard.hpp"
#include "engine/control_terms.hpp"
#include "engine/endpoint.hpp"
#include "engine/reconcile.hpp"
#include "engine/repairs.hpp"
#include "engine/script_runner.hpp"
#include "util/deadline.hpp"

namespace flashsale {
namespace {

using core::Defect;
using engine::ControlledSale;
using engine::guarded;
using engine::unexpected;

tl::unexpected<Error> invalid(const Defect& defect) { return fail(ErrorCode::invalid_argument, *defect); }

/// A reopened sale sells from `reopen_ms` on: the caller's next purchase shall not be told that it has not started.
Result<Done> in_force(Result<Done> reopened, ConnectionPool& pool, std::string_view sale, Deadline deadline) {
  if (!reopened) return reopened;
  const core::Keys keys(sale);
  const auto read = engine::read_at_primary(pool, sale, {{"HGET", keys.meta, "reopen_ms"}}, deadline);
  if (!read) return reopened;  // it is reopened all the same
  const auto reopen_ms = core::to_number<std::int64_t>(read->replies.front().text);
  if (reopen_ms && core::is_time(*reopen_ms)) engine::sleep_within(milliseconds{*reopen_ms - read->now_ms}, deadline);
  return reopened;
}

Deadline deadline_of(const ControllerOptions& options) {
  return util::Clock::now() + std::clamp(options.timeout, milliseconds{1}, milliseconds{60'000});
}

/// From which states an act may be done, for the message.
std::string_view states_before(std::string_view act) {
  if (act == "open") return "created or open";
  if (act == "schedule") return "created, open or paused";
  if (act == "pause") return "open or draining";
  if (act == "resume") return "paused or draining";
  return "open or paused";  // drain
}

std::string to_text(std::optional<std::int64_t> time) { return time ? std::to_string(*time) : std::string(); }

/// control.lua, from arguments to answer.
Result<Done> control(const ControlledSale& sale, std::string_view act, std::string opens_ms = {},
                     std::string closes_ms = {}) {
  if (auto defect = core::check_sale(sale.id)) return invalid(defect);
  const auto make_call = [&](const core::SaleMeta& meta) -> Result<engine::ScriptCall> {
    return engine::ScriptCall{"control",
                              {sale.keys.meta, sale.keys.buyers, sale.keys.journal},
                              {std::to_string(meta.epoch), meta.uuid, "", "", std::string(act), opens_ms, closes_ms},
                              2,
                              3};
  };
  const auto to_error = [&](const engine::ScriptAnswer& answer) -> Error {
    if (answer.verdict() != "state") return error_of_verdict(sale, answer.verdict());
    return {ErrorCode::conflict, Effect::none,
            fmt::format("sale {} is {}; {} needs it {}", sale.id, answer.text(3), act, states_before(act))};
  };
  return run_act(sale, make_call, to_error);
}

Error restock_error(const ControlledSale& sale, std::string_view verdict) {
  if (verdict == "conflict")
    return {ErrorCode::conflict, Effect::none, "the operation was used before, for another item or number of units"};
  if (verdict == "full")
    return {ErrorCode::conflict, Effect::none,
            fmt::format("sale {} was restocked {} times, which is the most", sale.id, kOperationCountMax)};
  if (verdict == "booked")
    return {ErrorCode::conflict, Effect::none,
            fmt::format("the item's total would fall below what is booked, or pass {}", kUnitsMax)};
  return error_of_verdict(sale, verdict);
}

/// Index from 1 of an item; an error where the sale has none of that name.
Result<std::size_t> find_item(const core::SaleMeta& meta, std::string_view sale, ItemId item) {
  for (std::size_t i = 0; i < meta.items.size(); ++i)
    if (meta.items[i].item == item.text()) return i + 1;
  return fail(ErrorCode::not_found, fmt::format("sale {} has no item {}", sale, item.text()));
}

Defect check(SaleId sale, ItemId item) {
  if (auto defect = core::check_sale(sale.text())) return defect;
  return core::check_item(item.text());
}

}  // namespace

SaleController::SaleController(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink,
                               ControllerOptions options)
    : pool_(std::move(pool)), sink_(std::move(sink)), options_(options) {}

namespace {

/// Before anything is sold, and before anything is written but for a word: what decides this sale must be able to.
Result<Done> check_endpoint(const ControlledSale& controlled, const Sale& sale) {
  const auto met = engine::meet_endpoint(*controlled.pool, controlled.id, controlled.deadline);
  if (!met) return tl::unexpected<Error>(met.error());
  if (sale.replicas > 0 && !met->knows_wait)
    return fail(ErrorCode::unsupported,
                fmt::format("sale {} is to wait for {} replicas, and {}", sale.id, sale.replicas, to_string(*met)));
  return {};
}

}  // namespace

Result<Done> SaleController::create(const Sale& sale) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = engine::check_terms(sale)) return invalid(defect);
    const ControlledSale controlled(pool_, sink_, sale.id, deadline_of(options_));
    if (sale.queue == QueueMode::journal && !sink_)
      return fail(ErrorCode::unsupported, "a sale in journal mode needs the database that its orders go to");
    if (auto able = check_endpoint(controlled, sale); !able) return able;
    if (sale.queue == QueueMode::list) return create_with_list(controlled, engine::row_of(sale));
    return create_with_journal(controlled, engine::row_of(sale));
  });
}

Result<Done> SaleController::preload(SaleId sale, ItemId item, std::string_view info) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = check(sale, item)) return invalid(defect);
    if (info.size() > kInfoBytesMax)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("info must have at most {} bytes, has {}", kInfoBytesMax, info.size()));
    const ControlledSale controlled(pool_, sink_, sale.text(), deadline_of(options_));
    const auto meta = read_sale(controlled);
    if (!meta) return unexpected(meta.error());
    if (const auto index = find_item(*meta, sale.text(), item); !index) return unexpected(index.error());
    engine::ScriptCall call{"preload", {controlled.keys.info}, {"", std::string(item.text()), std::string(info)}};
    auto stored = engine::run_script(*pool_, sale.text(), std::move(call), controlled.deadline);
    if (!stored) return unexpected(std::move(stored.error()));
    return {};
  });
}

Result<std::vector<std::pair<std::string, std::string>>> SaleController::info(SaleId sale) {
  using Infos = std::vector<std::pair<std::string, std::string>>;
  return guarded([&]() -> Result<Infos> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    const ControlledSale controlled(pool_, sink_, sale.text(), deadline_of(options_));
    const core::Keys& keys = controlled.keys;
    for (const Role role : {Role::replica, Role::primary}) {
      auto replies = engine::run_commands(*pool_, role, sale.text(), {{"HGETALL", keys.meta}, {"HGETALL", keys.info}},
                                          controlled.deadline);
      if (!replies) return unexpected(std::move(replies.error()));
      const auto meta = core::read_meta((*replies)[0], core::Rebuilding::read);
      if (!meta && meta.error().code != ErrorCode::not_found) return unexpected(meta.error());
      if (!meta) continue;  // a replica may not have it yet
      Infos infos;
      const auto& stored = (*replies)[1].elements;
      for (const auto& item : meta->items)
        for (std::size_t i = 0; i + 1 < stored.size(); i += 2)
          if (stored[i].text == item.item) infos.emplace_back(item.item, stored[i + 1].text);
      return infos;
    }
    return unexpected(no_such_sale(controlled));
  });
}

Result<Done> SaleController::open(SaleId sale) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    const auto deadline = deadline_of(options_);
    // So that a gate without the right to load scripts meets none that is missing; a gate with it needs no help.
    const auto soon = util::Clock::now() + (deadline - util::Clock::now()) / 4;  // most of the time is the act's own
    static_cast<void>(engine::load_missing_scripts(*pool_, sale.text(), soon));
    return control({pool_, sink_, sale.text(), deadline}, "open");
  });
}

Result<Done> SaleController::schedule(SaleId sale, std::optional<std::int64_t> opens_ms,
                                      std::optional<std::int64_t> closes_ms) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = engine::check_schedule(opens_ms, closes_ms)) return invalid(defect);
    return control({pool_, sink_, sale.text(), deadline_of(options_)}, "schedule", to_text(opens_ms),
                   to_text(closes_ms));
  });
}

Result<Done> SaleController::pause(SaleId sale) {
  return guarded([&] { return control({pool_, sink_, sale.text(), deadline_of(options_)}, "pause"); });
}

Result<Done> SaleController::resume(SaleId sale) {
  return guarded([&] { return control({pool_, sink_, sale.text(), deadline_of(options_)}, "resume"); });
}

Result<Done> SaleController::drain(SaleId sale) {
  return guarded([&] { return control({pool_, sink_, sale.text(), deadline_of(options_)}, "drain"); });
}

Result<Done> SaleController::close(SaleId sale) {
  return guarded([&] { return control({pool_, sink_, sale.text(), deadline_of(options_)}, "close"); });
}

Result<Done> SaleController::restock(SaleId sale, ItemId item, std::int64_t units, OperationId operation) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = check(sale, item)) return invalid(defect);
    if (auto defect = core::check_operation(operation.text())) return invalid(defect);
    if (units == 0 || units < -kUnitsMax || units > kUnitsMax)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("units must be {} to {} and not 0, is {}", -kUnitsMax, kUnitsMax, units));
    const ControlledSale controlled(pool_, sink_, sale.text(), deadline_of(options_));
    const core::Keys& keys = controlled.keys;
    const auto make_call = [&](const core::SaleMeta& meta) -> Result<engine::ScriptCall> {
      const auto index = find_item(meta, sale.text(), item);
      if (!index) return unexpected(index.error());
      return engine::ScriptCall{"restock",
                                {keys.meta, keys.buyers, keys.journal, keys.ops},
                                {std::to_string(meta.epoch), meta.uuid, "", "", std::to_string(*index),
                                 std::to_string(units), std::string(operation.text())},
                                2,
                                3};
    };
    const auto to_error = [&](const engine::ScriptAnswer& answer) {
      return restock_error(controlled, answer.verdict());
    };
    return run_act(controlled, make_call, to_error);
  });
}

Result<Done> SaleController::retire(SaleId sale) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    return engine::retire_sale({pool_, sink_, sale.text(), deadline_of(options_)});
  });
}

Result<SaleStatus> SaleController::status(SaleId sale, Role from) {
  return guarded([&]() -> Result<SaleStatus> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    return engine::read_status({pool_, sink_, sale.text(), deadline_of(options_)}, from);
  });
}

Result<Done> SaleController::reconcile(SaleId sale, Deadline deadline) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    if (!sink_) return fail(ErrorCode::unsupported, "without a database nothing proves what was sold: no reconcile");
    return in_force(engine::reconcile(pool_, sink_, sale.text(), deadline), *pool_, sale.text(), deadline);
  });
}

Result<Done> SaleController::reopen_accepting_loss(SaleId sale, Deadline deadline) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    const ControlledSale controlled(pool_, sink_, sale.text(), deadline);
    // Only this field: the rest of the sale may be in any condition now.
    const auto read = engine::read_at_primary(*pool_, sale.text(), {{"HGET", controlled.keys.meta, "queue"}}, deadline);
    if (!read) return unexpected(read.error());
    const std::string& queue = read->replies.back().text;
    if (queue == name(QueueMode::list))
      return in_force(engine::reopen_list(pool_, sale.text(), deadline), *pool_, sale.text(), deadline);
    auto row = read_row(controlled);
    if (!row) return unexpected(std::move(row.error()));
    if (*row)
      return in_force(engine::reconcile(pool_, sink_, sale.text(), deadline, engine::Loss::accept), *pool_, sale.text(),
                      deadline);
    if (queue.empty()) return unexpected(no_such_sale(controlled));
    return fail(ErrorCode::unsupported,
                fmt::format("sale {} is in journal mode: only its database knows what was sold", sale.text()));
  });
}

Result<std::vector<DeadRow>> SaleController::dead(SaleId sale) {
  return guarded([&]() -> Result<std::vector<DeadRow>> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    if (!sink_) return fail(ErrorCode::unsupported, "orders that were set aside are in the database: name it");
    return engine::list_dead({pool_, sink_, sale.text(), deadline_of(options_)});
  });
}

Result<Done> SaleController::dead_retry(SaleId sale, OrderId order) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    return engine::decide_dead({pool_, sink_, sale.text(), deadline_of(options_)}, order, DeadFate::retried);
  });
}

Result<Done> SaleController::dead_drop(SaleId sale, OrderId order) {
  return guarded([&]() -> Result<Done> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    return engine::decide_dead({pool_, sink_, sale.text(), deadline_of(options_)}, order, DeadFate::dropped);
  });
}

Result<std::vector<RepairRow>> SaleController::repairs(SaleId sale) {
  return guarded([&]() -> Result<std::vector<RepairRow>> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    if (!sink_) return fail(ErrorCode::unsupported, "what was repaired is in the database: name it");
    return engine::list_repairs({pool_, sink_, sale.text(), deadline_of(options_)});
  });
}

Result<AuditReport> SaleController::audit(SaleId sale, bool repair, Deadline deadline) {
  return guarded([&]() -> Result<AuditReport> {
    if (auto defect = core::check_sale(sale.text())) return invalid(defect);
    if (auto defect = core::check_by(options_.by)) return invalid(defect);
    const ControlledSale controlled(pool_, sink_, sale.text(), deadline);
    auto report = engine::audit(controlled);
    if (!report || !repair || report->is_sound()) return report;
    const std::string by = options_.by.empty() ? engine::user_at_host() : options_.by;
    auto repaired = engine::new_repair(*report, by);
    engine::ReconcileWatch watch;
    watch.repair = &repaired;
    watch.audited = report->at.epoch;
    auto rebuilt = engine::reconcile(pool_, sink_, sale.text(), deadline, engine::Loss::refuse, &watch);
    if (auto done = in_force(std::move(rebuilt), *pool_, sale.text(), deadline); !done)
      return unexpected(std::move(done.error()));
    report = engine::audit(controlled);
    if (report) report->repaired = true;
    return report;
  });
}

}  // namespace flashsale
