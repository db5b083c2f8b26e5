/// Redis' plug, second half: where connections come from, and what is told of them.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "flashsale/connection.hpp"

namespace flashsale {

/// Which node a caller needs. Decisions go to the primary, always; reads may go to a replica.
enum class Role : std::uint8_t { primary, replica };

/// What a caller heard on a leased connection, so that the pool can look anew. The text is Redis' error, if any.
enum class Heard : std::uint8_t {
  moved,        ///< MOVED: the slot lives elsewhere for good
  ask,          ///< ASK: this once, elsewhere; the next lease of the primary for this slot must go there, with ASKING
                ///< before each command, whose replies are not shown
  not_primary,  ///< READONLY, MASTERDOWN, LOADING, CLUSTERDOWN: this node cannot decide now
  broken,       ///< the connection is of no use: closed, owing replies, or it said nonsense
};

class ConnectionPool;

/// A connection on loan: returned on destruction. Moves, does not copy; thread-bound.
/// The pool must outlive it.
class Lease {
 public:
  /// Of nothing.
  Lease() = default;
  /// For pools: lends `connection` until the lease ends.
  Lease(ConnectionPool* pool, Connection* connection) : pool_(pool), connection_(connection) {}
  /// @{ The other one lends nothing any more.
  Lease(Lease&& other) noexcept : Lease() { swap(other); }
  Lease& operator=(Lease&& other) noexcept {
    Lease(std::move(other)).swap(*this);
    return *this;
  }
  /// @}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  inline ~Lease();

  /// Whether it lends anything.
  explicit operator bool() const { return connection_ != nullptr; }
  /// @{ What is lent, for as long as the lease lives.
  Connection* operator->() const { return connection_; }
  Connection* get() const { return connection_; }
  /// @}

  /// Tells the pool what was heard. Except after `ask` the connection is not lent again.
  inline void report(Heard heard, std::string_view text = {});

 private:
  void swap(Lease& other) {
    std::swap(pool_, other.pool_);
    std::swap(connection_, other.connection_);
  }
  ConnectionPool* pool_ = nullptr;
  Connection* connection_ = nullptr;
};

/// Connections to one Redis: a node, a primary with replicas, or a cluster. Thread-safe.
/// Constructing one does no I/O; the first lease connects.
class ConnectionPool {
 public:
  virtual ~ConnectionPool() = default;

  /// Lends a connection to the node with `role` for the hash slot `slot` (0..16383; ignored without a cluster).
  /// Where no replica is fit, `Role::replica` gets the primary. Blocks until `deadline` at most.
  /// Errors, all with effect none: timed_out, disconnected (detail says why), refused (authentication), closed.
  virtual Result<Lease> acquire(Role role, std::uint16_t slot, Deadline deadline) = 0;

  /// Makes sure that the next lease of the primary for `slot` goes to the one that the topology agrees on: a majority
  /// of all sentinels, or two nodes of a cluster, each counted once, by its MYID. A reconcile asks for it before it
  /// closes a gate, once it is closed and before it opens it, so that it never works on a primary that was cut off.
  /// Without either there is nothing to do. Blocks until `deadline` at most; a few round trips to each of those asked.
  /// Errors, all with effect none: disconnected (the detail says who named whom), closed, forked.
  virtual Result<Done> confirm_primary(std::uint16_t slot, Deadline deadline) {
    (void)slot;
    (void)deadline;
    return Done{};
  }

  /// @{ For Lease only: what was heard on `connection`, and its return. Every lease is given back exactly once.
  virtual void report(Connection* connection, Heard heard, std::string_view text) = 0;
  virtual void give_back(Connection* connection) = 0;
  /// @}
};

inline Lease::~Lease() {
  if (connection_ != nullptr) pool_->give_back(connection_);
}
inline void Lease::report(Heard heard, std::string_view text) {
  if (connection_ != nullptr) pool_->report(connection_, heard, text);
}

}  // namespace flashsale
