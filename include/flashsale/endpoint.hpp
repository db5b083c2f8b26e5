/// Who is at the other end: which server decides a sale, and whether something stands between that answers for others.
#pragma once

#include <string>

#include "flashsale/connection_pool.hpp"
#include "flashsale/error.hpp"
#include "flashsale/types.hpp"

namespace flashsale {

/// What was found where a sale's primary should be. Plain data.
struct Endpoint {
  std::string server;      ///< "Redis" or "Valkey"
  std::string version;     ///< for instance 7.0.15; empty: it does not say
  std::string between;     ///< empty: nothing was seen between. Else how it was noticed that something is, for a person
  bool knows_wait = true;  ///< false: it has no WAIT, or hangs up on it: no sale may be made to wait for replicas

  /// Whether nothing was seen between.
  bool is_direct() const { return between.empty(); }
};

/// Writes a word by script and reads it back by script and by plain command, three times, and compares what INFO says
/// to both. A splitting proxy whose replicas are up to date may go unnoticed; nothing is concluded from a plain read
/// either way. `SaleController::create` and a worker ask by themselves, and log what they found once.
/// `sale`: decides the slot; it need not exist, and nothing of it changes.
/// Errors, in this order: invalid_argument (the sale's id); refused (a rule is missing, which the detail names; or
/// Redis refuses writes); unsupported (no scripts, no INFO in scripts, or scripts that are forgotten at once: the
/// detail says which); timed_out, disconnected. Effect none, always. Thread-safe. Blocks until `deadline` at most.
/// Cost: nine round trips.
[[nodiscard]] Result<Endpoint> find_endpoint(ConnectionPool& pool, SaleId sale, Deadline deadline);

/// In one line: "Valkey 8.0.1", or "Redis 7.0.15, through something that ...".
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

}  // namespace flashsale
