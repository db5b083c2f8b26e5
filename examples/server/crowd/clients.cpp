#include "clients.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <map>
#include <memory>
#include <stdexcept>
#include <unordered_set>

namespace crowd {
namespace {

/// A client on the way.
struct Running {
  Client client;
  int fd = -1;
  std::string out, in;
  std::size_t sent = 0;
  bool paused = false;
  Clock::time_point since{};
};

/// 127.1.0.1 for the first, and so on: 16 million of them.
std::uint32_t address_of(std::uint32_t number) { return 0x7f010001u + number % 0x00f00000u; }

class Loop {
 public:
  Loop(std::uint16_t port, Times& times) : port_(port), times_(times), epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (epoll_ < 0) throw std::runtime_error("no epoll");
  }
  ~Loop() {
    for (auto& [at, later] : paused_) running_.insert(later.first);
    for (Running* const running : running_) {
      drop(*running);
      delete running;
    }
    close(epoll_);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  std::size_t size() const { return running_.size() + paused_.size(); }

  void start(Client client) {
    auto* const running = new Running;
    running->client = std::move(client);
    running_.insert(running);
    send_next(*running, running->client.request);
  }

  void turn(std::chrono::milliseconds at_most) {
    std::array<epoll_event, 512> events;
    const int count = epoll_wait(epoll_, events.data(), events.size(), static_cast<int>(at_most.count()));
    for (int i = 0; i < count; ++i) serve(*static_cast<Running*>(events[static_cast<std::size_t>(i)].data.ptr));
    const auto now = Clock::now();
    while (!paused_.empty() && paused_.begin()->first <= now) {
      auto [running, request] = std::move(paused_.begin()->second);
      paused_.erase(paused_.begin());
      running_.insert(running);
      running->paused = false;
      send_next(*running, request);
    }
  }

 private:
  bool connect(Running& running) {
    running.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (running.fd < 0) return false;
    sockaddr_in from{}, to{};
    from.sin_family = to.sin_family = AF_INET;
    from.sin_addr.s_addr = htonl(address_of(running.client.number));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port_);
    const int yes = 1;
    setsockopt(running.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(running.fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    if (bind(running.fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) return false;
    if (::connect(running.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
      return false;
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLET;
    event.data.ptr = &running;
    return epoll_ctl(epoll_, EPOLL_CTL_ADD, running.fd, &event) == 0;
  }

  void send_next(Running& running, std::string request) {
    running.out = std::move(request);
    running.sent = 0;
    running.in.clear();
    running.since = Clock::now();
    if (running.fd < 0 && !connect(running)) return answer(running, {});
    if (running.fd >= 0) write(running);
  }

  void write(Running& running) {
    while (running.sent < running.out.size()) {
      const auto count =
          send(running.fd, running.out.data() + running.sent, running.out.size() - running.sent, MSG_NOSIGNAL);
      if (count < 0) return;  // not yet, or broken: reading will tell
      running.sent += static_cast<std::size_t>(count);
    }
  }

  void serve(Running& running) {
    if (running.paused) return drop(running);  // nothing is asked, so this is the connection's end
    write(running);
    char part[16 * 1024];
    for (;;) {
      const auto count = recv(running.fd, part, sizeof part, 0);
      if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (count <= 0) return answer(running, {});
      running.in.append(part, static_cast<std::size_t>(count));
      Heard heard;
      if (is_whole(running.in, heard)) return answer(running, std::move(heard));
    }
  }

  /// Answers have a Content-Length, but for 304.
  static bool is_whole(const std::string& in, Heard& heard) {
    const auto end = in.find("\r\n\r\n");
    if (end == std::string::npos || in.size() < 12) return false;
    heard.head = in.substr(0, end + 2);
    std::from_chars(in.data() + 9, in.data() + 12, heard.status);
    constexpr std::string_view kLength = "\r\nContent-Length: ";
    const auto at = heard.head.find(kLength);
    std::size_t length = 0;
    if (at != std::string::npos) {
      const char* const from = heard.head.data() + at + kLength.size();
      std::from_chars(from, heard.head.data() + heard.head.size(), length);
    }
    if (in.size() < end + 4 + length) return false;
    heard.body = in.substr(end + 4, length);
    return true;
  }

  void answer(Running& running, Heard heard) {
    if (heard.status != 0)
      times_.us.push_back(static_cast<std::uint32_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - running.since).count()));
    if (heard.status == 0 || heard.head.find("\r\nConnection: close") != std::string::npos) drop(running);
    std::chrono::milliseconds pause{0};
    auto request = running.client.heard(heard, pause);
    if (!request) {
      drop(running);
      running_.erase(&running);
      delete &running;
    } else if (pause.count() > 0) {
      running_.erase(&running);
      running.paused = true;
      paused_.emplace(Clock::now() + pause, std::make_pair(&running, std::move(*request)));
    } else {
      send_next(running, std::move(*request));
    }
  }

  static void drop(Running& running) {
    if (running.fd >= 0) close(running.fd);
    running.fd = -1;
  }

  std::uint16_t port_;
  Times& times_;
  int epoll_;
  std::unordered_set<Running*> running_;  // owns them, with paused_
  std::multimap<Clock::time_point, std::pair<Running*, std::string>> paused_;
};

}  // namespace

double Times::quantile_ms(double share) {
  if (us.empty()) return 0;
  const auto rank = std::min(us.size() - 1, static_cast<std::size_t>(share * static_cast<double>(us.size())));
  std::nth_element(us.begin(), us.begin() + static_cast<std::ptrdiff_t>(rank), us.end());
  return us[rank] / 1000.0;
}

void run(std::uint16_t port, std::size_t at_once, const std::function<std::optional<Client>()>& next,
         Clock::time_point deadline, Times& times) {
  Loop loop(port, times);
  bool more = true;
  while (Clock::now() < deadline) {
    while (more && loop.size() < at_once) {
      auto client = next();
      more = client.has_value();
      if (client) loop.start(std::move(*client));
    }
    if (!more && loop.size() == 0) return;
    loop.turn(std::chrono::milliseconds{10});
  }
}

std::string to_request(std::string_view method, std::string_view path, std::string_view token, std::string_view key,
                       std::string_view body) {
  std::string text;
  text.append(method).append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\n");
  if (!token.empty()) text.append("Authorization: Bearer ").append(token).append("\r\n");
  if (!key.empty()) text.append("Idempotency-Key: ").append(key).append("\r\n");
  if (!body.empty())
    text.append("Content-Type: application/json\r\nContent-Length: ")
        .append(std::to_string(body.size()))
        .append("\r\n");
  return text.append("\r\n").append(body);
}

}  // namespace crowd
