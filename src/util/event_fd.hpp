/// An eventfd as a level: readable while raised.
#pragma once

#include <chrono>

namespace flashsale::util {

/// Owns its descriptor (non-blocking, close-on-exec). Thread-safe once open.
class EventFd {
 public:
  EventFd() = default;
  ~EventFd();
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  bool open();  ///< false: the process is out of descriptors
  int fd() const { return fd_; }
  void raise();
  void lower();
  /// Blocks until it is raised, `time` has passed or a signal came; not opened, it sleeps.
  void wait(std::chrono::milliseconds time) const;

 private:
  int fd_ = -1;
};

}  // namespace flashsale::util
