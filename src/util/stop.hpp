/// Asking a thread to stop, heard by whatever it waits in. A thread that serves heeds one source; the waits below it
/// need not know whose. A descriptor or a condition variable to wake them was rejected: each kind of wait would need
/// its own, and the plugs between would have to carry it. They look around a few times a second instead, and only while
/// they wait.
#pragma once

#include <atomic>

#include "util/deadline.hpp"

namespace flashsale::util {

/// Asked once, for good. Thread-safe.
class StopSource {
 public:
  /// Safe in a signal handler.
  void request() noexcept;
  /// When it was requested; the end of time: not yet.
  Clock::time_point requested_at() const noexcept { return at_.load(); }
  bool is_requested() const noexcept { return requested_at() != kNever; }

 private:
  static constexpr auto kNever = Clock::time_point::max();
  std::atomic<Clock::time_point> at_{kNever};
  static_assert(decltype(at_)::is_always_lock_free, "a signal handler may not wait for a lock");
};

/// Makes the calling thread heed `source`, until the scope ends.
class StopScope {
 public:
  explicit StopScope(const StopSource& source);
  ~StopScope();
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;

 private:
  const StopSource* const outer_;
};

/// True if the calling thread was asked to stop. A thread that heeds nobody never is.
bool stop_requested();

/// One wait of the calling thread, for its deadline at most. Once the thread is asked to stop it gets `kGrace` more:
/// enough for a healthy peer's answer, so that what is under way can end well, and nothing for a silent one.
class Wait {
 public:
  static constexpr std::chrono::milliseconds kGrace{50};

  explicit Wait(Clock::time_point deadline);
  bool is_over() const { return Clock::now() >= end(); }
  /// When to look around again, at the latest.
  Clock::time_point slice() const;

 private:
  Clock::time_point end() const;

  const Clock::time_point deadline_;
  const Clock::time_point begin_;
};

}  // namespace flashsale::util
