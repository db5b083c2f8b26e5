/// A sale's buyers, holds and operations, written into Redis from the database. PROTOCOL section 10, step 5.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/keyspace.hpp"
#include "core/record_codec.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// What a rebuild found in the database; meaningful only if `complete`.
struct Rebuilt {
  bool complete = false;  ///< false: another reconcile took over, or Redis lost a chunk: start again
  std::uint64_t orders = 0;
  std::uint64_t chunks = 0;          ///< the number of the last one, which reopen.lua asks for
  std::vector<std::int64_t> booked;  ///< per item
};

/// Streams whole buyers out of the database into chunks of rebuild.lua, several of them a round trip.
/// Used once, by the reconcile that holds the claim.
class Rebuild {
 public:
  /// `rec` is meta.rec; `now_ms` is Redis' clock; `go_on` is asked after every round trip and beats the heart: false
  /// or an error stops the rebuild.
  Rebuild(ConnectionPool& pool, OrderSink& sink, const SaleRow& row, std::string rec, std::int64_t now_ms,
          std::function<Result<bool>()> go_on);

  Result<Rebuilt> run(Deadline deadline);

 private:
  /// The pairs of one call; spans into one string, so that a record costs no allocation of its own.
  struct Chunk {
    explicit Chunk(const char* chunk_kind) : kind(chunk_kind) {}
    void add(std::string_view first, std::string_view second);
    bool is_full() const;
    const char* kind;
    std::string number;
    std::string bytes;
    std::vector<std::size_t> ends;
  };

  Result<bool> clear();
  Result<bool> add_orders();
  Result<bool> add_left_dead();
  Result<bool> add_operations();
  Result<bool> finish();
  Result<bool> read_dead();
  void add_order(const OrderRow& row);
  void add_dead(const DeadRow& dead);
  void add_hold(const OrderRow& row);
  Result<bool> end_buyer(const std::string& buyer);
  Result<bool> queue(Chunk& chunk);
  Result<bool> send();
  Deadline call_deadline() const;
  std::size_t item_index(std::string_view item) const;

  ConnectionPool& pool_;
  OrderSink& sink_;
  const SaleRow& row_;
  const core::Keys keys_;
  const std::string rec_;
  const std::int64_t hold_until_ms_;
  const std::function<Result<bool>()> go_on_;
  Deadline deadline_{};

  std::map<std::string, std::vector<DeadRow>, std::less<>> dead_;  // by buyer; those not written yet
  core::RecordWriter writer_;
  std::string record_;
  Chunk buyers_{"buyers"}, holds_{"holds"};
  std::vector<Chunk> queued_;
  std::size_t queued_bytes_ = 0;
  Rebuilt rebuilt_;
};

}  // namespace flashsale::engine
