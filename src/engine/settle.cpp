#include "engine/settle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/keyspace.hpp"
#include "engine/script_runner.hpp"
#include "util/crash_point.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kDeadPerCall = 300;  // what settle.lua takes

struct Unsettled {
  std::optional<SaleRow> row;
  std::vector<DeadRow> dead;
};

Result<Unsettled> read_unsettled(OrderSink& sink, std::string_view sale, Deadline deadline) {
  auto transaction = sink.begin(OrderSink::Access::read, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto row = (*transaction)->lock_sale(SaleId{sale});
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  auto dead = (*transaction)->dead(SaleId{sale}, /*only_untold=*/true);
  if (!dead) return tl::unexpected<Error>(std::move(dead.error()));
  return Unsettled{std::move(*row), std::move(*dead)};
}

/// What a fate makes of the order in its buyer's record.
std::string_view letter_of(DeadFate fate) {
  switch (fate) {
    case DeadFate::dead:
      break;
    case DeadFate::retried:
      return "r";
    case DeadFate::dropped:
      return "d";
  }
  return "k";
}

/// One call of settle.lua: `count` dead orders from `first` on, and the watermark if they are the last.
Result<bool> tell(ConnectionPool& pool, const Unsettled& unsettled, std::size_t first, std::size_t count,
                  Deadline deadline) {
  const SaleRow& row = *unsettled.row;
  const core::Keys keys(row.sale);
  const bool last = first + count == unsettled.dead.size();
  ScriptCall call{"settle", {keys.meta, keys.buyers, keys.journal}, {}, 2, 3};
  if (row.hold_ms > 0) call.keys.push_back(keys.holds);
  call.arguments = {std::to_string(row.fence_epoch),
                    row.uuid,
                    "",
                    "",
                    last ? std::to_string(row.watermark.epoch) : "",
                    last ? std::to_string(row.watermark.seq) : ""};
  for (std::size_t i = first; i < first + count; ++i) {
    const Order& order = unsettled.dead[i].order;
    call.arguments.insert(
        call.arguments.end(),
        {order.buyer, order.request, fmt::format("{} {}", order.id.index, to_string(order.id.at)),
         std::string(letter_of(unsettled.dead[i].fate)), std::to_string(row.hold_ms > 0 ? order.hold_until_ms : 0)});
  }
  auto answer = run_script(pool, row.sale, std::move(call), deadline);
  if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
  if (answer->verdict() == "layout")
    return fail(ErrorCode::unsupported, fmt::format("sale {}: Redis has another layout", row.sale));
  return answer->verdict() == "ok";
}

Result<Done> mark_told(OrderSink& sink, const Unsettled& unsettled, Deadline deadline) {
  if (unsettled.dead.empty()) return {};
  auto transaction = sink.begin(OrderSink::Access::write, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  if (auto marked =
          (*transaction)->mark_told(SaleId{unsettled.row->sale}, unsettled.dead.data(), unsettled.dead.size());
      !marked)
    return marked;
  return (*transaction)->commit();
}

}  // namespace

Result<Done> settle(ConnectionPool& pool, OrderSink& sink, std::string_view sale, Deadline deadline) {
  util::crash_point("worker.before_settle");
  auto unsettled = read_unsettled(sink, sale, deadline);
  if (!unsettled) return tl::unexpected<Error>(std::move(unsettled.error()));
  if (!unsettled->row || !unsettled->row->rec_uuid.empty()) return {};
  std::size_t first = 0;
  do {
    const std::size_t count = std::min(kDeadPerCall, unsettled->dead.size() - first);
    auto told = tell(pool, *unsettled, first, count, deadline);
    if (!told) return tl::unexpected<Error>(std::move(told.error()));
    if (!*told) return {};
    first += count;
  } while (first < unsettled->dead.size());
  util::crash_point("worker.after_settle");
  if (auto marked = mark_told(sink, *unsettled, deadline); !marked) return marked;
  if (!unsettled->dead.empty()) util::crash_point("worker.after_told");
  return {};
}

}  // namespace flashsale::engine
