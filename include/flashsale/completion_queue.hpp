/// Answers to submitted calls, behind one file descriptor. No callbacks.
///
///        submit                      lane                       you
///   slot reserved, or busy  ->  event pushed  ->  fd readable  ->  drain  ->  fd quiet once all are drained
///
/// Every accepted call yields exactly one event, also when the gate is destroyed (`closed`, effect told truthfully).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "flashsale/error.hpp"
#include "flashsale/outcome.hpp"

namespace flashsale {

/// What became of one submitted call: a fixed record of integers.
struct Event {
  std::uint64_t tag = 0;                   ///< Call::tag
  std::int32_t code = 0;                   ///< an Outcome (> 0) or an ErrorCode (< 0)
  Effect effect = Effect::none;            ///< of an error
  Level level = Level::primary;            ///< of an outcome
  PauseReason reason = PauseReason::none;  ///< as in Answer
  std::uint32_t index = 0;                 ///< with epoch and seq: the order
  std::uint64_t epoch = 0;                 ///< 0: no order
  std::uint64_t seq = 0;                   ///< of the order
  std::int64_t remaining = -1;             ///< as in Answer
  std::int64_t hold_until_ms = 0;          ///< as in Answer
  std::int64_t retry_after_ms = 0;         ///< as in Answer

  bool is_outcome() const { return code > 0; }                      ///< an outcome, not an error
  Outcome outcome() const { return static_cast<Outcome>(code); }    ///< only if is_outcome()
  ErrorCode error() const { return static_cast<ErrorCode>(code); }  ///< only if not
  OrderId order() const { return {{epoch, seq}, index}; }           ///< or no order
};

/// A bounded queue of events. Many gates and threads may fill it; one thread at a time drains it.
/// Construction cannot fail; the descriptor comes with the first `fd`. Calls accepted for it keep its state alive.
class CompletionQueue {
 public:
  /// `depth`: events pending and calls under way together, 1..1,048,576; one more submit is `busy`.
  explicit CompletionQueue(std::size_t depth = 65'536);
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  /// Moves up to `capacity` events into `events`; waits up to `wait` if there are none yet. Returns their number.
  /// A short count means the queue was emptied and `fd` is quiet.
  std::size_t drain(Event* events, std::size_t capacity, milliseconds wait = milliseconds{0});

  /// A descriptor (eventfd, non-blocking, close-on-exec) that is readable while events are there. Owned by the
  /// queue; only poll it. Written once each time the queue turns from empty to not empty. -1: out of descriptors.
  int fd();

  /// Makes a waiting `drain` return, and `fd` readable until the next drain. Thread-safe.
  void wake();

  /// Calls accepted and not yet drained.
  std::size_t outstanding() const;

  class State;                                                    ///< the engine's side
  const std::shared_ptr<State>& state() const { return state_; }  ///< for the engine alone

 private:
  std::shared_ptr<State> state_;
};

}  // namespace flashsale
