#include <fmt/format.h>

#include "engine/control_acts.hpp"
#include "util/crash_point.hpp"

namespace flashsale::engine {
namespace {

tl::unexpected<Error> not_yet(std::string_view why) {
  return fail(ErrorCode::conflict, fmt::format("the sale cannot be retired yet: {}", why));
}

/// retire.lua; `database` is its last argument.
Result<Done> call_retire(const ControlledSale& sale, std::string epoch, std::string uuid, std::string database) {
  const core::Keys& keys = sale.keys;
  const bool retired = database == "retired";
  ScriptCall call{"retire",
                  {keys.meta, keys.buyers, keys.journal, keys.holds, keys.winners, keys.info, keys.ops, keys.orders,
                   keys.consumers},
                  {std::move(epoch), std::move(uuid), "", "", std::move(database)}};
  call.not_after_at = 2;
  call.nonce_at = 3;
  const auto answer = run_script(*sale.pool, sale.id, std::move(call), sale.deadline);
  if (!answer) return unexpected(answer.error());
  const auto verdict = answer->verdict();
  // It finds nothing if an earlier call got that far.
  if (verdict == "ok" || (verdict == "absent" && retired)) return {};
  if (verdict == "state") return not_yet(fmt::format("it is {}, not closed", answer->text(3)));
  if (verdict == "waiting") return not_yet("not all of it was handed over, or a consumer is still there");
  if (verdict == "stale") return fail(ErrorCode::conflict, "another sale of that id is in Redis, or a new epoch began");
  return unexpected(error_of_verdict(sale, verdict));
}

/// Fences the sale in Redis and writes `retired` into the row, if the database has everything that Redis has. Does
/// nothing if it stands there. While the row is locked nobody can begin to reconcile what is fenced.
Result<Done> retire_row(const ControlledSale& sale, const std::string& epoch) {
  auto transaction = sale.sink->begin(OrderSink::Access::write, sale.deadline);
  if (!transaction) return unexpected(std::move(transaction.error()));
  auto found = (*transaction)->lock_sale(SaleId{sale.id});
  if (!found) return unexpected(std::move(found.error()));
  if (!*found) return fail(ErrorCode::conflict, fmt::format("{} has no sale {}", sale.sink->describe(), sale.id));
  SaleRow row = std::move(**found);
  if (row.state == SaleState::retired) return {};
  if (!row.rec_uuid.empty()) return not_yet("it is being reconciled");
  if (row.state != SaleState::closed)
    return not_yet(fmt::format("in the database it is {}, not closed", name(row.state)));
  if (auto fenced = call_retire(sale, epoch, row.uuid, to_string(row.watermark)); !fenced) return fenced;
  util::crash_point("retire.fenced");
  row.state = SaleState::retired;
  if (auto put = (*transaction)->put_sale(row); !put) return unexpected(std::move(put.error()));
  return (*transaction)->commit();
}

}  // namespace

Result<Done> retire_sale(const ControlledSale& sale) {
  auto row = read_row(sale);
  if (!row) return unexpected(std::move(row.error()));
  if (*row && (*row)->state == SaleState::retired) return call_retire(sale, "0", (*row)->uuid, "retired");

  // A retire that died behind its fence left the sale closed to others, as a reconcile does; retire.lua tells the two
  // apart.
  const auto meta = read_sale_to_change(sale, core::Rebuilding::read);
  if (!meta) return unexpected(meta.error());
  const std::string epoch = std::to_string(meta->epoch);
  if (meta->queue == QueueMode::list) return call_retire(sale, epoch, meta->uuid, "");
  if (auto retired = retire_row(sale, epoch); !retired) return retired;
  util::crash_point("retire.row");
  return call_retire(sale, epoch, meta->uuid, "retired");
}

}  // namespace flashsale::engine
