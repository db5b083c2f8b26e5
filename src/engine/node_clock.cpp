#include "engine/node_clock.hpp"

#include <string>

#include "core/error_reply.hpp"
#include "core/read_codec.hpp"
#include "core/scripts.hpp"
#include "core/times.hpp"
#include "util/deadline.hpp"
#include "util/random.hpp"

namespace flashsale::engine {
namespace {

/// Nothing was asked of a sale yet; but a connection that still owes this reply is of no use.
RoundTrip untold(std::string why) { return {{}, Error{ErrorCode::disconnected, Effect::none, std::move(why)}}; }

}  // namespace

void note_clock(Connection& connection, std::int64_t node_ms) {
  const auto ahead = node_ms - util::steady_ms();
  // The newest distance counts, not the smallest ever: a node's clock may be set while we are connected.
  connection.clock = {true, ahead};
}

RoundTrip learn_clock(Connection& connection, std::string_view key, Deadline deadline) {
  const std::string nonce = util::random_hex(8);
  RoundTrip trip = connection.roundtrip({{"EVALSHA", core::script("read").sha1, "1", key, nonce}}, deadline);
  if (trip.error) return untold(std::move(trip.error->detail));
  Reply& reply = trip.replies.front();
  core::heed_no_primary(reply, nonce);
  if (reply.type == Reply::Type::error) return trip;
  if (reply.elements.empty() || reply.elements[0].text != nonce) return untold("the reply was to another call");
  const auto read = core::take_read(std::move(reply.elements), 0);
  if (!read) return untold("the node did not tell its time");
  note_clock(connection, read->now_ms);
  return trip;
}

RoundTrip learn_clock_of_replica(Connection& connection, Deadline deadline) {
  RoundTrip trip = connection.roundtrip({{"TIME"}}, deadline);
  if (trip.error) return untold(std::move(trip.error->detail));
  const auto now_ms = core::read_time(trip.replies.front());
  if (!now_ms) return untold("the node did not tell its time: " + trip.replies.front().text);
  note_clock(connection, *now_ms);
  return trip;
}

}  // namespace flashsale::engine
