#include <fmt/format.h>

#include "engine/control_acts.hpp"
#include "util/crash_point.hpp"

namespace flashsale::engine {
namespace {

tl::unexpected<Error> not_yet(std::string_view why) {
  return fail(ErrorCode::conflict, fmt::format("the sale cannot be retired yet: {}", why));
}

/// Writes `retired` into the row if the database has everything that Redis has. Does nothing if it stands there.
Result<Done> retire_row(const ControlledSale& sale, const SaleStatus& status) {
  auto transaction = sale.sink->begin(OrderSink::Access::write, sale.deadline);
  if (!transaction) return unexpected(std::move(transaction.error()));
  auto found = (*transaction)->lock_sale(SaleId{sale.id});
  if (!found) return unexpected(std::move(found.error()));
  if (!*found) return fail(ErrorCode::conflict, fmt::format("{} has no sale {}", sale.sink->describe(), sale.id));
  SaleRow row = std::move(**found);
  if (row.state == SaleState::retired) return {};
  if (!row.rec_uuid.empty()) return not_yet("it is being reconciled");
  if (status.fenced) return unexpected(error_of_verdict(sale, "fenced"));
  if (status.state != SaleState::closed) return not_yet(fmt::format("it is {}, not closed", name(status.state)));
  if (row.state != SaleState::closed || row.watermark != status.at)
    return not_yet(fmt::format("the database is at {}, Redis at {}", to_string(row.watermark), to_string(status.at)));
  row.state = SaleState::retired;
  if (auto put = (*transaction)->put_sale(row); !put) return unexpected(std::move(put.error()));
  return (*transaction)->commit();
}

/// retire.lua. It finds nothing if an earlier call got that far.
Result<Done> remove_from_redis(const ControlledSale& sale, std::string epoch, std::string uuid, bool retired) {
  const core::Keys& keys = sale.keys;
  ScriptCall call{"retire",
                  {keys.meta, keys.buyers, keys.journal, keys.holds, keys.winners, keys.info, keys.ops, keys.orders,
                   keys.consumers},
                  {std::move(epoch), std::move(uuid), "", "", retired ? "retired" : ""}};
  call.not_after_at = 2;
  call.nonce_at = 3;
  const auto answer = run_script(*sale.pool, sale.id, std::move(call), sale.deadline);
  if (!answer) return unexpected(answer.error());
  const auto verdict = answer->verdict();
  if (verdict == "ok" || (verdict == "absent" && retired)) return {};
  if (verdict == "state") return not_yet(fmt::format("it is {}, not closed", answer->text(3)));
  if (verdict == "waiting") return not_yet("not all of its orders were handed over, or a consumer is still there");
  if (verdict == "stale") return fail(ErrorCode::conflict, "another sale of that id is in Redis, or a new epoch began");
  return unexpected(error_of_verdict(sale, verdict));
}

}  // namespace

Result<Done> retire_sale(const ControlledSale& sale) {
  auto row = read_row(sale);
  if (!row) return unexpected(std::move(row.error()));
  if (*row && (*row)->state == SaleState::retired) return remove_from_redis(sale, "0", (*row)->uuid, true);

  const auto meta = read_sale(sale);
  if (!meta) return unexpected(meta.error());
  const std::string epoch = std::to_string(meta->epoch);
  if (meta->queue == QueueMode::list) return remove_from_redis(sale, epoch, meta->uuid, false);

  if (auto same_sink = read_sale_to_change(sale); !same_sink) return unexpected(std::move(same_sink.error()));
  const auto status = read_status(sale, Role::primary);
  if (!status) return unexpected(status.error());
  if (auto retired = retire_row(sale, *status); !retired) return retired;
  util::crash_point("retire.row");
  return remove_from_redis(sale, epoch, meta->uuid, true);
}

}  // namespace flashsale::engine
