/// What is known of a node's clock, for `not_after`: the latest time by that clock at which a call may still run.
#pragma once

#include <cstdint>
#include <optional>

#include "flashsale/connection.hpp"

namespace flashsale::engine {

/// Notes a TIME that came in a reply just read. The reply was written before it was read, so the node's clock is at
/// least that far ahead: not_after, made from the smallest such distance, is never too late.
void note_clock(Connection& connection, std::int64_t node_ms);

/// Asks TIME once, on a connection whose clock is not known yet. The error is the round trip's, with effect none: what
/// it carried changes nothing.
std::optional<Error> learn_clock(Connection& connection, Deadline deadline);

}  // namespace flashsale::engine
