#include "redis/pooled_connection.hpp"

#include <utility>

namespace flashsale::redis {

RoundTrip PooledConnection::roundtrip(const std::vector<Command>& commands, Deadline deadline) {
  if (!asking) return RedisConnection::roundtrip(commands, deadline);
  doubled_.clear();
  for (const Command& command : commands) {
    doubled_.push_back({"ASKING"});
    doubled_.push_back(command);
  }
  if (is_usable()) next_is_asking_ = true;
  return without_asking(RedisConnection::roundtrip(doubled_, deadline));
}

RoundTrip PooledConnection::await(Deadline deadline) {
  RoundTrip trip = RedisConnection::await(deadline);
  return asking ? without_asking(std::move(trip)) : trip;
}

RoundTrip PooledConnection::without_asking(RoundTrip trip) {
  std::vector<Reply> replies;
  for (Reply& reply : trip.replies) {
    if (!std::exchange(next_is_asking_, !next_is_asking_)) replies.push_back(std::move(reply));
  }
  trip.replies = std::move(replies);
  return trip;
}

}  // namespace flashsale::redis
