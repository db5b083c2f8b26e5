/// An HttpServer of a test's own, and one request to it.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "http.hpp"
#include "problem.hpp"

namespace server::test {

/// Answers as `handler` does; what it throws as Refused is a problem, as in Routes.
class Served {
 public:
  explicit Served(HttpServer::Handler handler, HttpOptions options = {})
      : http_(
            on_any_port(std::move(options)),
            [handler](Exchange& exchange) {
              try {
                handler(exchange);
              } catch (const Refused& refused) {
                exchange.answer(to_response(refused.problem));
              }
            },
            [](Response&) {}) {}

  /// A new connection, on which `request` is sent as it is; who asked for it closes it.
  int begin(const std::string& request) const {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval patience{30, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(http_.port());
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) throw std::runtime_error("no connection");
    send(fd, request.data(), request.size(), MSG_NOSIGNAL);
    return fd;
  }

  /// Sends `request` as it is, and returns all that comes until the server closes.
  std::string ask(const std::string& request) const {
    const int fd = begin(request);
    std::string answer;
    char part[4096];
    for (ssize_t count = 0; (count = recv(fd, part, sizeof part, 0)) > 0;)
      answer.append(part, static_cast<std::size_t>(count));
    close(fd);
    return answer;
  }

  std::string get(const std::string& path, const std::string& headers = "") const {
    return ask("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers + "\r\n");
  }
  std::string post(const std::string& path, const std::string& json, const std::string& headers = "") const {
    return ask("POST " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n" +
               "Content-Length: " + std::to_string(json.size()) + "\r\n" + headers + "\r\n" + json);
  }

 private:
  static HttpOptions on_any_port(HttpOptions options) {
    options.port = 0;
    return options;
  }
  HttpServer http_;
};

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace server::test
