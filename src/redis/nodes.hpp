/// What a pool knows of its nodes, and which one it tries next. Pure: no I/O, no clock, no lock of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/options.hpp"
#include "redis/handshake.hpp"
#include "redis/redis_connection.hpp"
#include "redis/url.hpp"

namespace flashsale::redis {

/// The pause after failures in a row: twofold longer each time, jittered, so that a crowd of processes does not come
/// back in step.
class Pause {
 public:
  /// A failure during the pause is the same failure, seen by another thread: it does not make it longer.
  void failed(Deadline now, const PoolOptions& options, std::uint64_t random);
  void worked() { *this = Pause{}; }
  bool has_failed() const { return failures_ > 0; }
  Deadline until() const { return until_; }

 private:
  unsigned failures_ = 0;
  Deadline until_{};
};

/// A connection with what the pool must know when it comes back.
struct PooledConnection : RedisConnection {
  PooledConnection(Socket socket, std::size_t node_, std::uint64_t generation_)
      : RedisConnection(std::move(socket)), node(node_), generation(generation_) {}
  std::size_t node;
  std::uint64_t generation;  ///< an older one than its node's: made before the node's role came into doubt
  bool spoiled = false;      ///< reported; not to be lent again
  Deadline idle_since{};
};

struct NodeState {
  Node address;
  std::vector<std::unique_ptr<PooledConnection>> idle;  ///< the one used last is lent first
  std::size_t open = 0;                                 ///< idle, lent or being opened
  std::size_t opening = 0;
  std::uint64_t generation = 0;
  Standing standing = Standing::unknown;
  Pause reach;              ///< after failures to connect
  Pause fit[2];             ///< by Role: after it was found not to have that role
  bool is_refused = false;  ///< the last failure was about who we are: waiting does not help
  std::string trouble;      ///< the last failure, for people
};

/// All nodes of one URL.
struct Nodes {
  std::vector<NodeState> list;
  bool roles = false;       ///< roles are asked for; otherwise a node is taken for whatever is needed
  std::size_t primary = 0;  ///< where the primary was last
  std::size_t turn = 0;     ///< which replica is next
};

/// What to do for a caller: try `node` for `role`; or wait until something is given back, `again` at the latest.
struct Choice {
  std::optional<std::size_t> node;
  Role role = Role::primary;
  bool full = false;  ///< waiting for a connection, not for a pause
  Deadline again = Deadline::max();
};
Choice choose(Nodes& nodes, Role role, Deadline now, std::size_t connections_max);

/// True if a node of that standing may be lent for `role`.
bool suits(Standing standing, Role role);

/// Why no node could be lent, in one line.
std::string describe_trouble(const Nodes& nodes);

}  // namespace flashsale::redis
