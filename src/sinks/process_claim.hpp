/// Which process a sink belongs to: the one that used it first.
#pragma once

#include <unistd.h>

#include <atomic>
#include <string>

#include "sinks/failure.hpp"

namespace flashsale::sinks {

/// Thread-safe, and safe in a forked child: it has no mutex that another thread could have held at the fork.
class ProcessClaim {
 public:
  /// Throws `forked` in a child of the process that asked first; `name` is the sink's.
  void check(const std::string& name) {
    pid_t user = 0;
    const pid_t self = getpid();
    if (!user_.compare_exchange_strong(user, self) && user != self) {
      fail_with(ErrorCode::forked, name + " was used before the fork");
    }
  }

 private:
  std::atomic<pid_t> user_{0};
};

}  // namespace flashsale::sinks
