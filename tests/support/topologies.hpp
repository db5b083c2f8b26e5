/// Whole topologies of private servers: a primary with replicas and sentinels, and a cluster.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/private_redis.hpp"

namespace flashsale::test {

/// What a server of a topology needs to be quick: it copies at once, and pings often.
std::vector<std::string> quick_replication();

/// One primary, two replicas, three sentinels that call it `shop`. All of them on the loopback interface.
class SentinelSetup {
 public:
  SentinelSetup();

  std::string url() const;  ///< redis+sentinel://
  /// The first sentinel that runs and is not stopped.
  PrivateRedis& sentinel();
  /// The server that this one names; it answers ROLE as a primary. Waits for it.
  PrivateRedis& primary();
  /// Waits until every server that runs follows the primary, and every sentinel that runs names it.
  void wait_whole();

  std::vector<std::unique_ptr<PrivateRedis>> servers;
  std::vector<std::unique_ptr<PrivateRedis>> sentinels;
};

/// Three primaries and three replicas, made by `redis-cli --cluster create`.
class ClusterSetup {
 public:
  ClusterSetup();

  std::string url() const;  ///< redis+cluster://, all nodes as seeds
  /// The node that serves `slot`, as a primary. Waits for it.
  PrivateRedis& primary_of(std::uint16_t slot);
  /// A replica of that one, linked. Waits for it.
  PrivateRedis& replica_of(std::uint16_t slot);
  /// Waits until every node that runs says that the cluster is in order.
  void wait_ok();
  /// Moves `slot` with all its keys to a primary that has it not: step by step as redis-cli does it.
  void move_slot(std::uint16_t slot);
  static std::string id_of(PrivateRedis& node);

  std::vector<std::unique_ptr<PrivateRedis>> nodes;
};

/// `host:port` of a server.
std::string address_of(const PrivateRedis& server);

}  // namespace flashsale::test
