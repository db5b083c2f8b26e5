#include "engine/node_clock.hpp"

#include <algorithm>

#include "core/times.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {

void note_clock(Connection& connection, std::int64_t node_ms) {
  const auto ahead = node_ms - util::steady_ms();
  // The newest distance counts, not the smallest ever: a node's clock may be set while we are connected.
  connection.clock = {true, ahead};
}

std::optional<Error> learn_clock(Connection& connection, Deadline deadline) {
  if (connection.clock.known) return std::nullopt;
  RoundTrip trip = connection.roundtrip({{"TIME"}}, deadline);
  if (trip.error) {
    // Nothing was asked of a sale yet; but a connection that still owes this reply is of no use.
    return Error{ErrorCode::disconnected, Effect::none, std::move(trip.error->detail)};
  }
  const auto now_ms = core::read_time(trip.replies[0]);
  if (!now_ms)
    return Error{ErrorCode::disconnected, Effect::none, "the node did not tell its time: " + trip.replies[0].text};
  note_clock(connection, *now_ms);
  return std::nullopt;
}

}  // namespace flashsale::engine
