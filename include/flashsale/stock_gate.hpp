/// StockGate: the hot path. Decides, for a crowd, who gets a unit.
#pragma once

#include <cstddef>
#include <memory>

#include "flashsale/completion_queue.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/error.hpp"
#include "flashsale/options.hpp"
#include "flashsale/order_sink.hpp"
#include "flashsale/outcome.hpp"
#include "flashsale/types.hpp"

namespace flashsale {

/// Sells units of many sales through one pool; calls made at the same time travel as one batch.
/// Thread-safe. Construction does no I/O and cannot fail; threads and connections come with the first call.
/// Destruction answers every call still waiting with `closed` and joins its threads: within one round trip, and within
/// 250 ms from a Redis that says nothing. Another's pool is waited for while it acquires, 500 ms at most.
class StockGate {
 public:
  /// Shares `pool`.
  explicit StockGate(std::shared_ptr<ConnectionPool> pool, GateOptions options = {});
  /// Shares `sink`, the database of its sales, and keeps receipts: what it told its callers below level `database`, in
  /// memory, until the database has it. If Redis loses its history first, the gate hands its receipts in and the
  /// reconcile brings them back; then an order told at level `primary` is lost only if Redis' history and this process
  /// go together. Costs the callers nothing they would notice; a thread, and two short transactions a second while
  /// receipts are held. Destruction also leaves what is still held in the database, within a second if that is well,
  /// within four if it is not. nullptr: no receipts.
  StockGate(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, GateOptions options = {});
  ~StockGate();
  StockGate(const StockGate&) = delete;
  StockGate& operator=(const StockGate&) = delete;

  /// Asks for `call.quantity` units of `call.item` for `call.buyer`; atomic and idempotent by `call.request`.
  /// Strings are copied before it returns. A buyer's same request always means the same purchase: asked again after
  /// it won, it hears the same order; refusals are not remembered, so a refused request is judged anew.
  ///
  /// Outcomes, the first that applies: already_reserved / already_confirmed / already_released / expired / dead (this
  /// request won before) - ended, paused, not_started - limit_reached - sold_out - reserved. Below `call.level`:
  /// pending, with the order.
  /// Errors: invalid_argument, not_found, conflict, unsupported, refused, closed, forked, internal (effect none);
  /// busy (none: the gate's waiting requests are full); timed_out, disconnected, protocol (none or unknown).
  /// The gate itself sends again after an unknown effect until the deadline; if the caller hears `unknown`, ask again
  /// with the same request, or `resolve`.
  /// Blocks at most the timeout; one round trip, shared with every other caller of that moment.
  [[nodiscard]] Result<Answer> reserve(const Call& call);

  /// Says that the buyer paid: a reserved order becomes confirmed and holds its units for good. Atomic and idempotent
  /// by the order; it works in every state of the sale, also after its end. Not in list mode (`unsupported`).
  ///
  /// Outcomes, by what the order is when Redis decides: confirmed (it was reserved and its hold had not run out) -
  /// already_confirmed - already_released - expired (by Redis' clock, whether or not a worker has swept it yet: pay
  /// back, or reserve anew with another request) - dead - not_reserved (no such order of this buyer in this sale).
  /// paused, with reason fenced: Redis lost its history and the worker reconciles; nothing was decided.
  /// Each order resolves at most once: of a confirm, a release and an expiry that race, one wins and the others hear
  /// so. Errors, time and cost as reserve; if the caller hears `unknown`, ask again.
  [[nodiscard]] Result<Answer> confirm(const OrderKey& order, CallOptions options = {});

  /// Gives a reserved order's units back. They can be won again, and the buyer's limit is free again, once the
  /// database has the release and a worker has credited it, the sale's probe time later at the latest.
  ///
  /// Outcomes: released - already_confirmed (a confirmed order stays: refunds are not the gate's) - already_released -
  /// expired - dead - not_reserved. paused (fenced) as confirm. Errors, time and cost as reserve.
  [[nodiscard]] Result<Answer> release(const OrderKey& order, CallOptions options = {});

  /// Asks the primary what became of a request: already_reserved, already_confirmed, already_released, expired, dead,
  /// or not_reserved. For a request that went through this gate `not_reserved` is final: it waits until no copy still
  /// under way could win. For one sent by another process it is final once the longest timeout (30 s) has passed.
  /// Errors as reserve, always with effect none. Blocks at most the timeout; one round trip, shared.
  [[nodiscard]] Result<Answer> resolve(const OrderKey& order, CallOptions options = {});

  /// What a page polls after the sale: as resolve, but from a replica where one is fit. `not_reserved` and `expired`
  /// come from the primary only; the first is not final. The rest may be as old as the replica's copy. Errors and cost
  /// as resolve.
  [[nodiscard]] Result<Answer> status(const OrderKey& order, CallOptions options = {});

  /// Hands in `count` calls; each accepted one yields exactly one event in `queue`. Strings are copied before it
  /// returns. Returns how many were accepted, from the front: fewer than `count` means the gate or the queue is full
  /// (`busy`) from there on. A call with a field out of bounds is accepted and answered `invalid_argument`.
  /// Never blocks. With one lane, calls are decided in the order in which they were submitted.
  /// Errors: closed, forked: nothing was accepted.
  [[nodiscard]] Result<std::size_t> submit(const Call* calls, std::size_t count, CompletionQueue& queue);

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace flashsale
