/// A connected stream socket with one end-to-end deadline per wait, that never raises SIGPIPE in its host.
#pragma once

#include <cstddef>
#include <utility>

#include "flashsale/error.hpp"
#include "flashsale/types.hpp"
#include "redis/url.hpp"

namespace flashsale::redis {

/// What one system call moved. `error` is an errno; EAGAIN says "wait first". No bytes and no error: the peer is gone.
struct Moved {
  std::size_t bytes = 0;
  int error = 0;
};

/// Owns its descriptor (non-blocking, close-on-exec). One thread at a time.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd) : fd_(fd) {}
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(); }

  /// Errors: timed_out, disconnected.
  static Result<Socket> connect(const Node& node, Deadline deadline);

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }  ///< only to poll it
  void close();

  /// One send(2) or recv(2). What `send` counts has been handed to the kernel: it may reach Redis whatever happens.
  Moved send(const char* bytes, std::size_t size);
  Moved receive(char* bytes, std::size_t size);

  /// Waits for poll(2) `events`; returns those that came (also POLLERR, POLLHUP), 0 once the deadline has passed, or
  /// the thread was asked to stop.
  short wait(short events, Deadline deadline) const;

  /// True if there is nothing to read and the peer has not closed: what an idle connection should be.
  bool is_quiet() const;

 private:
  int fd_ = -1;
};

}  // namespace flashsale::redis
