#include "feed_reader.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <stdexcept>

namespace crowd {
namespace {

struct Socket {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ~Socket() { close(fd); }
};

}  // namespace

nlohmann::json read_feed(std::uint16_t port, const std::string& sale) {
  const Socket connection;
  const timeval patience{5, 0};
  setsockopt(connection.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(port);
  // HTTP/1.0: no chunks.
  const std::string question = "GET /operator/sales/" + sale + "/feed HTTP/1.0\r\n\r\n";
  if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 ||
      send(connection.fd, question.data(), question.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(question.size()))
    throw std::runtime_error("no connection to the operator's feed");
  std::string text;
  for (char part[4096];;) {
    const auto begin = text.find("data: ");
    const auto end = begin == std::string::npos ? begin : text.find("\n\n", begin);
    if (end != std::string::npos) return nlohmann::json::parse(text.substr(begin + 6, end - begin - 6));
    const auto count = recv(connection.fd, part, sizeof part, 0);
    if (count <= 0 || text.size() > 1'000'000) throw std::runtime_error("the operator's feed is silent");
    text.append(part, static_cast<std::size_t>(count));
  }
}

}  // namespace crowd
