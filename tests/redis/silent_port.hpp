/// A port of the loopback interface whose kernel accepts and where nobody ever answers.
#pragma once

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>

#include "redis/socket.hpp"

namespace flashsale::test {

class SilentPort {
 public:
  SilentPort() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(bind(socket_.fd(), any, size) == 0);
    REQUIRE(listen(socket_.fd(), 8) == 0);
    REQUIRE(getsockname(socket_.fd(), any, &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  /// The first bytes of the first client.
  std::string heard() const {
    redis::Socket client(accept(socket_.fd(), nullptr, nullptr));
    std::string bytes(16'384, '\0');
    bytes.resize(client.receive(bytes.data(), bytes.size()).bytes);
    return bytes;
  }

 private:
  const redis::Socket socket_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::uint16_t port_ = 0;
};

}  // namespace flashsale::test
