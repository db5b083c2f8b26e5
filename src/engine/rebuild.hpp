/// A sale's buyers, holds and operations, written into Redis from the database. PROTOCOL section 10, step 5.
///
///   a thread of its own: database -> records -> chunks --(a few at most)--> ours: rebuild.lua, several chunks a trip
///
/// Reading and writing overlap: one alone keeps a core busy, and Redis has its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/keyspace.hpp"
#include "engine/rebuild_source.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// What a rebuild found in the database; meaningful only if `complete`.
struct Rebuilt {
  bool complete = false;  ///< false: another reconcile took over, or Redis lost a chunk: start again
  std::uint64_t orders = 0;
  std::uint64_t held = 0;            ///< of them
  std::uint64_t chunks = 0;          ///< the number of the last one, which reopen.lua asks for
  std::vector<std::int64_t> booked;  ///< per item
};

/// Used once, by the reconcile that holds the claim.
class Rebuild {
 public:
  /// `rec` is meta.rec; `now_ms` is Redis' clock; `go_on` is asked after every round trip and beats the heart: false
  /// or an error stops the rebuild.
  Rebuild(ConnectionPool& pool, OrderSink& sink, const SaleRow& row, std::string rec, std::int64_t now_ms,
          std::function<Result<bool>()> go_on);

  Result<Rebuilt> run(Deadline deadline);

 private:
  Result<bool> clear();
  Result<bool> send(const std::vector<RebuildChunk>& chunks);

  ConnectionPool& pool_;
  OrderSink& sink_;
  const SaleRow& row_;
  const core::Keys keys_;
  const std::string rec_;
  const std::int64_t now_ms_;
  const std::function<Result<bool>()> go_on_;
  Deadline deadline_{};
};

}  // namespace flashsale::engine
