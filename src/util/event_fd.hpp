/// An eventfd as a level: readable while raised.
#pragma once

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

 private:
  int fd_ = -1;
};

}  // namespace flashsale::util
