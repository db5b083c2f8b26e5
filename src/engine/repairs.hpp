/// The record of repairs: what an audit found, who had it put right, and when.
///
///   audit finds differences --claim of the reconcile--> recorded, done_epoch 0 --a reconcile finishes--> done
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/control_sale.hpp"
#include "flashsale/audit.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// Each difference of the report as a row of one new repair by `by`.
std::vector<RepairRow> new_repair(const AuditReport& report, std::string_view by);

/// Every repair of the sale, the oldest first. Errors: not_found, and the sink's.
Result<std::vector<RepairRow>> list_repairs(const ControlledSale& sale);

/// `user@host` of this process, of the bytes that an id may have; `unknown` for what has none.
std::string user_at_host();

}  // namespace flashsale::engine
