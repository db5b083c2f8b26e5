/// What a soak has been through: one line of JSON a night, appended as it ends, and the table that sums them up.
#pragma once

#include <stdexcept>
#include <string>

#include "faults/history/nemeses.hpp"

namespace flashsale::history {

/// Throws std::runtime_error if it cannot be written.
void append_to_ledger(const std::string& path, const Report& report);

/// The totals and the faults by type, each with one of its proofs, as Markdown. Throws std::runtime_error if the ledger
/// does not read.
std::string table_of_ledger(const std::string& path);

}  // namespace flashsale::history
