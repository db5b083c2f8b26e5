/// The acts of SaleController that are more than one script call.
#pragma once

#include "engine/control_sale.hpp"

namespace flashsale::engine {

/// Database first: a row `creating`, the sale in Redis, then the row as it is there. A crash between any two is
/// finished by the next create with equal terms. `terms` is well formed.
Result<Done> create_with_journal(const ControlledSale& sale, SaleRow terms);
/// Redis alone.
Result<Done> create_with_list(const ControlledSale& sale, SaleRow terms);

/// Database first: once the row says `retired` nobody carries or rebuilds the sale, and whoever calls again removes
/// what is left of it in Redis.
Result<Done> retire_sale(const ControlledSale& sale);

/// The orders that were set aside, by id. Needs the sink.
Result<std::vector<DeadRow>> list_dead(const ControlledSale& sale);
/// Decides about one of them in the database and tells Redis; a worker does that if we die in between.
Result<Done> decide_dead(const ControlledSale& sale, OrderId order, DeadFate fate);

/// The sale as one node has it, in one round trip; a second one if a replica could not say.
Result<SaleStatus> read_status(const ControlledSale& sale, Role from);

}  // namespace flashsale::engine
