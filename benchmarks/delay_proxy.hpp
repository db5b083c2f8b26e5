/// A link with a latency: a unix socket whose bytes reach the server, and come back, a fixed time later. It carries any
/// number of bytes at a time, as a long wire does.
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>

namespace flashsale::bench {

class DelayProxy {
 public:
  /// `upstream`: the path of a unix socket. Throws std::runtime_error if it cannot listen.
  DelayProxy(std::string upstream, std::chrono::microseconds one_way);
  ~DelayProxy();
  DelayProxy(const DelayProxy&) = delete;
  DelayProxy& operator=(const DelayProxy&) = delete;

  const std::string& socket_path() const;

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace flashsale::bench
