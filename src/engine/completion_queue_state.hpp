/// The engine's side of CompletionQueue: slots are reserved before a call is accepted, so a push never fails.
///
///   empty, quiet --push--> not empty, fd raised once --drain to empty--> empty, quiet
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <vector>

#include "flashsale/completion_queue.hpp"
#include "util/event_fd.hpp"

namespace flashsale {

class CompletionQueue::State {
 public:
  explicit State(std::size_t depth) : depth_(depth) {}

  /// Reserves up to `count` slots and returns how many.
  std::size_t reserve(std::size_t count);
  /// Gives reserved slots back unused.
  void unreserve(std::size_t count);
  /// Fills reserved slots.
  void push(const Event* events, std::size_t count);

  std::size_t drain(Event* events, std::size_t capacity, milliseconds wait);
  int fd();
  void wake();
  std::size_t outstanding() const;

 private:
  void grow(std::size_t needed);

  const std::size_t depth_;
  mutable std::mutex mutex_;
  std::condition_variable filled_;
  std::vector<Event> ring_;      // guarded by mutex_; a power of two long, never longer than needed once
  std::size_t first_ = 0;        // guarded by mutex_
  std::size_t count_ = 0;        // guarded by mutex_: events in the ring
  std::size_t outstanding_ = 0;  // guarded by mutex_: reserved and not drained
  bool woken_ = false;           // guarded by mutex_
  util::EventFd event_;          // guarded by mutex_
};

}  // namespace flashsale
