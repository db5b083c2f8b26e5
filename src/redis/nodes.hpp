/// What a pool knows of its nodes, and which one it tries next. Pure: no I/O, no clock, no lock of its own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/options.hpp"
#include "redis/handshake.hpp"
#include "redis/node_metrics.hpp"
#include "redis/pause.hpp"
#include "redis/pooled_connection.hpp"
#include "redis/replica_lag.hpp"
#include "redis/topology.hpp"
#include "redis/url.hpp"

namespace flashsale::redis {

/// One node, or a place for the next one: what nobody names and nobody uses is used again.
struct NodeState {
  Node address;
  NodeMetrics* metrics = nullptr;
  bool listed = false;                                  ///< the topology names it
  bool is_replica = false;                              ///< as the topology says
  std::vector<std::unique_ptr<PooledConnection>> idle;  ///< the one used last is lent first
  std::size_t open = 0;                                 ///< idle, lent or being opened
  std::size_t opening = 0;
  std::uint64_t generation = 0;
  Standing standing = Standing::unknown;
  Pause reach;               ///< the node's circuit: after failures to connect
  std::array<Pause, 2> fit;  ///< by Role: after it was found not to have that role
  bool is_refused = false;   ///< the last failure was about who we are: waiting does not help
  Deadline silent_since{};   ///< when the first of those began who heard nothing since it answered last; zero: nobody
  Deadline suspect_since{};  ///< connections idle since before are asked before they are lent
  std::string trouble;       ///< the last failure, for people

  Deadline looked_at{};     ///< when its role and offset were asked last, or began to be
  std::int64_t offset = 0;  ///< of replication, then
  Trail trail;              ///< a primary's offsets, for the lag of its replicas
};

/// Who serves the same slots.
struct Shard {
  std::size_t primary = 0;
  std::vector<std::size_t> replicas;  ///< of a static list: all nodes, whoever is the primary
  std::size_t turn = 0;               ///< which replica is next
};

/// All nodes of one URL.
struct Nodes {
  Topology topology = Topology::single;
  std::deque<NodeState> list;                ///< places are stable: an index is good as long as somebody uses the node
  std::vector<Shard> shards;                 ///< without a cluster one, or none while nobody said who the primary is
  std::vector<std::uint16_t> shard_of_slot;  ///< of a cluster; kNoShard: nobody serves it
  struct Ask {
    std::uint16_t slot;
    std::size_t node;
  };
  std::deque<Ask> asks;  ///< ASKs heard, each good for one lease

  static constexpr std::uint16_t kNoShard = 0xffff;

  bool has_roles() const { return topology != Topology::single; }
  bool is_surveyed() const { return topology == Topology::sentinel || topology == Topology::cluster; }
  Shard* shard_for(std::uint16_t slot);
};

/// What to do for a caller: try `node` for `role`; or wait until something is given back, `again` at the latest.
struct Choice {
  std::optional<std::size_t> node;
  std::size_t primary = 0;  ///< of the node's shard
  Role role = Role::primary;
  bool asking = false;  ///< ASKING before each command
  bool looks = false;   ///< only to learn the primary's offset; then choose again
  bool full = false;    ///< waiting for a connection, not for a pause
  Deadline again = Deadline::max();
};
Choice choose(Nodes& nodes, Role role, std::uint16_t slot, Deadline now, const PoolOptions& options);

/// True if a node of that standing may be lent for `role`.
bool suits(Standing standing, Role role);

/// How often the offsets of a primary and of each replica in use are asked.
milliseconds look_every(const PoolOptions& options);

/// Why a replica must not be read: it is further behind than `options` allow, or nobody knows how far. Nothing: it may.
std::optional<std::string> stale_replica(const NodeState& replica, const NodeState& primary, Deadline now,
                                         const PoolOptions& options);

/// The place of the node at `address`; a new one if it is not known. Nothing: there are too many.
std::optional<std::size_t> find_or_add(Nodes& nodes, const Node& address);

/// Puts a topology in the place of the one known. What changed its part, or is named no more, has a new generation.
void adopt(Nodes& nodes, const TopologyMap& map);

/// A MOVED: from now on `node` serves `slot`.
void move_slot(Nodes& nodes, std::uint16_t slot, std::size_t node);

/// The node's part, or its very address, is in doubt: its connections are not lent again.
void doubt(NodeState& node);

/// Counts connections that were opened, or closed.
void count_open(NodeState& node, int more);

/// Why no node could be lent, in one line.
std::string describe_trouble(Nodes& nodes, std::uint16_t slot);

}  // namespace flashsale::redis
