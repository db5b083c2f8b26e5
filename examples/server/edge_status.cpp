#include "edge_status.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <stdexcept>

namespace server {

EdgeStatus::EdgeStatus(const std::string& url) {
  if (url.empty()) return;
  constexpr std::string_view kStart = "http://127.0.0.1:";
  const char* const end = url.data() + url.size();
  const char* const from = url.data() + std::min(kStart.size(), url.size());
  const auto [after, error] = std::from_chars(from, end, port_);
  path_.assign(after, end);
  const bool fits = url.compare(0, kStart.size(), kStart) == 0 && error == std::errc{} && port_ != 0 &&
                    !path_.empty() && path_.size() <= 100 && path_.front() == '/' &&
                    path_.find_first_of(" \r\n") == std::string::npos;
  if (!fits) throw std::runtime_error("the edge's status must be http://127.0.0.1:PORT/PATH");
}

std::string EdgeStatus::fetch() const {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return {};
  const timeval patience{0, 200'000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const std::string question = "GET " + path_ + " HTTP/1.0\r\nHost: localhost\r\n\r\n";
  std::string answer;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, question.data(), question.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(question.size())) {
    char part[1024];
    for (ssize_t count = 0; answer.size() < 4096 && (count = recv(fd, part, sizeof part, 0)) > 0;)
      answer.append(part, static_cast<std::size_t>(count));
  }
  close(fd);
  return answer;
}

std::optional<std::uint64_t> EdgeStatus::requests() {
  if (port_ == 0) return std::nullopt;
  const auto now = look();
  trouble_.note(now ? "" : "no count at http://127.0.0.1:" + std::to_string(port_) + path_);
  if (now) last_ = now;
  return last_;
}

std::optional<std::uint64_t> EdgeStatus::look() {
  const std::string answer = fetch();
  // server accepts handled requests
  //  16630948 16630948 31070465
  constexpr std::string_view kHead = "accepts handled requests";
  const auto at = answer.find(kHead);
  if (at == std::string::npos) return std::nullopt;
  ++asked_;
  std::istringstream numbers(answer.substr(at + kHead.size()));
  std::uint64_t accepted = 0, handled = 0, requests = 0;
  if (!(numbers >> accepted >> handled >> requests)) return std::nullopt;
  return requests - std::min(requests, asked_);
}

}  // namespace server
