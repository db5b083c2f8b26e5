/// A connection with what the pool must know when it comes back.
#pragma once

#include <cstdint>

#include "redis/redis_connection.hpp"

namespace flashsale::redis {

/// One thread at a time.
class PooledConnection final : public RedisConnection {
 public:
  PooledConnection(Channel channel, std::size_t node_, std::uint64_t generation_)
      : RedisConnection(std::move(channel)), node(node_), generation(generation_) {}

  /// While `asking`, each command is preceded by ASKING: Redis forgets it after one command, so a SCRIPT LOAD after a
  /// NOSCRIPT, and the call after that, need it again. What comes back are the replies to the commands alone.
  RoundTrip roundtrip(const std::vector<Command>& commands, Deadline deadline) override;
  RoundTrip await(Deadline deadline) override;

  const std::size_t node;
  std::uint64_t generation;  ///< an older one than its node's: made before the node's part came into doubt
  bool asking = false;       ///< lent to follow an ASK
  bool spoiled = false;      ///< reported; not to be lent again
  Deadline idle_since{};

 private:
  RoundTrip without_asking(RoundTrip trip);

  std::vector<Command> doubled_;
  bool next_is_asking_ = false;  ///< the next reply to come is ASKING's
};

}  // namespace flashsale::redis
