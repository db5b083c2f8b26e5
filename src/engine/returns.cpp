#include "engine/returns.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "core/keyspace.hpp"
#include "engine/script_runner.hpp"
#include "util/crash_point.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kOrdersPerCall = 500;  // what credit.lua takes

struct Uncredited {
  std::optional<SaleRow> row;
  std::vector<OrderRow> orders;
};

Result<Uncredited> read_uncredited(OrderSink& sink, std::string_view sale, Deadline deadline) {
  auto transaction = sink.begin(OrderSink::Access::read, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto orders = (*transaction)->uncredited(SaleId{sale}, kOrdersPerCall);
  if (!orders) return tl::unexpected<Error>(std::move(orders.error()));
  if (orders->empty()) return Uncredited{};
  auto row = (*transaction)->lock_sale(SaleId{sale});
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  return Uncredited{std::move(*row), std::move(*orders)};
}

/// True if Redis has them free now.
Result<bool> free_in_redis(ConnectionPool& pool, const Uncredited& left, Deadline deadline) {
  const SaleRow& row = *left.row;
  const core::Keys keys(row.sale);
  ScriptCall call{"credit", {keys.meta, keys.buyers}, {std::to_string(row.fence_epoch), row.uuid, "", ""}, 2, 3};
  for (const OrderRow& order : left.orders) {
    call.arguments.push_back(order.order.buyer);
    call.arguments.push_back(fmt::format("{} {}", order.order.id.index, to_string(order.order.id.at)));
  }
  auto answer = run_script(pool, row.sale, std::move(call), deadline);
  if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
  if (answer->verdict() == "layout")
    return fail(ErrorCode::unsupported, fmt::format("sale {}: Redis has another layout", row.sale));
  return answer->verdict() == "ok";
}

Result<Done> mark(OrderSink& sink, const Uncredited& left, Deadline deadline) {
  std::vector<OrderId> ids;
  for (const OrderRow& order : left.orders) ids.push_back(order.order.id);
  auto transaction = sink.begin(OrderSink::Access::write, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  if (auto marked = (*transaction)->mark_credited(SaleId{left.row->sale}, ids.data(), ids.size()); !marked)
    return marked;
  return (*transaction)->commit();
}

}  // namespace

Result<std::size_t> credit(ConnectionPool& pool, OrderSink& sink, std::string_view sale, Deadline deadline) {
  for (std::size_t credited = 0;;) {
    auto left = read_uncredited(sink, sale, deadline);
    if (!left) return tl::unexpected<Error>(std::move(left.error()));
    // While somebody reconciles, Redis is rebuilt with these units free.
    if (left->orders.empty() || !left->row || !left->row->rec_uuid.empty()) return credited;
    util::crash_point("worker.before_credit");
    auto freed = free_in_redis(pool, *left, deadline);
    if (!freed) return tl::unexpected<Error>(std::move(freed.error()));
    if (!*freed) return credited;
    util::crash_point("worker.after_credit");
    if (auto marked = mark(sink, *left, deadline); !marked) return tl::unexpected<Error>(std::move(marked.error()));
    util::crash_point("worker.after_credited");
    credited += left->orders.size();
  }
}

Result<Swept> sweep(ConnectionPool& pool, const SaleRow& row, Deadline deadline) {
  util::crash_point("worker.before_sweep");
  const core::Keys keys(row.sale);
  ScriptCall call{"expire",
                  {keys.meta, keys.buyers, keys.journal, keys.holds},
                  {std::to_string(row.fence_epoch), row.uuid, "", ""},
                  2,
                  3};
  auto answer = run_script(pool, row.sale, std::move(call), deadline);
  if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
  if (answer->verdict() != "ok") return Swept{};
  Swept swept;
  swept.orders = static_cast<std::size_t>(answer->integer(3));
  const std::int64_t now = answer->integer(2), next = answer->integer(5);
  swept.more = next > 0 && next <= now;
  if (next > 0) swept.next_in = std::clamp(milliseconds{next - now + 1}, milliseconds{1}, Swept::kNever);
  if (swept.orders > 0) util::crash_point("worker.after_sweep");
  return swept;
}

}  // namespace flashsale::engine
