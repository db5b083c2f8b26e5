/// A sale made by the scripts alone, for tests of what comes before the controller.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "core/keyspace.hpp"
#include "engine/script_runner.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/sale_controller.hpp"
#include "util/deadline.hpp"

namespace flashsale::test {

/// Creates `sale` (journal mode unless it says list) in state open or created, epoch 1, uuid "u-<id>".
inline void make_raw_sale(ConnectionPool& pool, const Sale& sale, std::string_view state = "open",
                          std::string_view epoch = "1") {
  const core::Keys keys(sale.id);
  const bool list = sale.queue == QueueMode::list;
  engine::ScriptCall call;
  call.script = "create";
  call.keys = {keys.meta, keys.buyers, list ? keys.orders : keys.journal, keys.holds, keys.ops};
  call.arguments = {std::string(epoch),
                    "u-" + sale.id,
                    "",
                    "",
                    std::string(state),
                    std::to_string(sale.opens_ms.value_or(0)),
                    std::to_string(sale.closes_ms.value_or(0)),
                    std::to_string(sale.hold.count()),
                    std::to_string(sale.probe.count()),
                    std::to_string(sale.replicas),
                    std::to_string(sale.buyer_orders_max),
                    std::string(name(sale.queue)),
                    ""};
  for (const ItemRow& item : sale.items)
    call.arguments.insert(call.arguments.end(), {item.item, std::to_string(item.total), std::to_string(item.limit)});
  call.not_after_at = 2;
  call.nonce_at = 3;
  auto answer = engine::run_script(pool, sale.id, call, util::Clock::now() + std::chrono::seconds(10));
  if (!answer) throw std::runtime_error("create.lua: " + to_string(answer.error()));
  if (answer->verdict() != "ok") throw std::runtime_error("create.lua said " + std::string(answer->verdict()));
}

}  // namespace flashsale::test
