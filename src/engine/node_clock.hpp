/// What is known of a node's clock, for `not_after`: the latest time by that clock at which a call may still run.
#pragma once

#include <cstdint>
#include <string_view>

#include "flashsale/connection.hpp"

namespace flashsale::engine {

/// Notes a TIME that came in a reply just read. The reply was written before it was read, so the node's clock is at
/// least that far ahead: not_after, made from the newest such distance, is never too late.
void note_clock(Connection& connection, std::int64_t node_ms);

/// Asks the primary behind `connection` for its time once, by read.lua: a proxy may have TIME answered by a replica,
/// whose clock is another. Afterwards `connection.clock.known`, or the round trip says why not: an error, with effect
/// none, since what it carried changes nothing; or an error reply, for core::CallFlow, such as NOSCRIPT. `key` is one
/// of the sale's, for proxies that want one.
RoundTrip learn_clock(Connection& connection, std::string_view key, Deadline deadline);

/// The same of a replica, by a plain TIME.
RoundTrip learn_clock_of_replica(Connection& connection, Deadline deadline);

}  // namespace flashsale::engine
