/// Compares a sale's two sides, order by order. Changes nothing.
#pragma once

#include "engine/control_sale.hpp"
#include "flashsale/audit.hpp"

namespace flashsale::engine {

/// What both sides have at one moment at which they stood still, the journal carried into the database. A sale that
/// does not stand still is looked at again until the deadline. Errors: as JournalApplier's, and busy.
Result<AuditReport> audit(const ControlledSale& sale);

}  // namespace flashsale::engine
