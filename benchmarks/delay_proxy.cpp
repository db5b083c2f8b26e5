#include "delay_proxy.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "util/event_fd.hpp"

namespace flashsale::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kPieceBytes = 256u << 10;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof(address.sun_path) - 1));
  return address;
}

int connect_to(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un address = address_of(path);
  if (fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

/// Bytes that arrived, with the moment at which they arrive on the other side.
struct Piece {
  Clock::time_point due;
  std::string bytes;
};

/// One direction of one connection.
struct Way {
  int from = -1, to = -1;
  std::deque<Piece> held{};
};

}  // namespace

class DelayProxy::Body {
 public:
  Body(std::string upstream, std::chrono::microseconds one_way) : upstream_(std::move(upstream)), one_way_(one_way) {
    std::string dir = (std::filesystem::temp_directory_path() / "flashsale-wire-XXXXXX").string();
    if (mkdtemp(dir.data()) == nullptr) throw std::runtime_error("the latency proxy finds no temporary folder");
    dir_ = dir;
    path_ = dir + "/wire.sock";
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_un address = address_of(path_);
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
        listen(listener_, 1024) != 0 || epoll_ < 0 || !stop_.open())
      throw std::runtime_error("the latency proxy cannot listen");
    watch(listener_);
    watch(stop_.fd());
    thread_ = std::thread([this] { run(); });
  }

  ~Body() {
    stopping_ = true;
    stop_.raise();
    thread_.join();
    for (const auto& way : ways_) close(way->from);
    close(listener_);
    close(epoll_);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  void run() {
    std::vector<epoll_event> ready(256);
    while (!stopping_) {
      const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()), any_held() ? 0 : 100);
      for (int i = 0; i < count; ++i) {
        const int fd = ready[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_)
          take_in();
        else if (fd != stop_.fd())
          read_from(fd);
      }
      deliver();
      // epoll's milliseconds are too coarse for half a millisecond; spinning would take a core from the server.
      if (count == 0 && any_held()) std::this_thread::sleep_for(std::chrono::microseconds(30));
    }
  }

  void take_in() {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int server = client >= 0 ? connect_to(upstream_) : -1;
    if (server < 0) {
      if (client >= 0) close(client);
      return;
    }
    for (const auto& [from, to] : {std::pair{client, server}, std::pair{server, client}}) {
      ways_.push_back(std::make_unique<Way>(Way{from, to}));
      const auto place = static_cast<std::size_t>(from);
      if (by_fd_.size() <= place) by_fd_.resize(place + 1, nullptr);
      by_fd_[place] = ways_.back().get();
      watch(from);
    }
  }

  void read_from(int fd) {
    Way& way = *by_fd_[static_cast<std::size_t>(fd)];
    const ssize_t got = recv(fd, piece_.data(), piece_.size(), MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
      epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
      shutdown(way.to, SHUT_WR);
      return;
    }
    way.held.push_back({Clock::now() + one_way_, std::string(piece_.data(), static_cast<std::size_t>(got))});
    ++held_;
  }

  bool any_held() const { return held_ > 0; }

  void deliver() {
    if (held_ == 0) return;
    const auto now = Clock::now();
    for (const auto& way : ways_) {
      while (!way->held.empty() && way->held.front().due <= now) {
        std::string& bytes = way->held.front().bytes;
        const ssize_t sent = send(way->to, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) break;
        if (sent >= 0 && static_cast<std::size_t>(sent) < bytes.size()) {
          bytes.erase(0, static_cast<std::size_t>(sent));
          break;
        }
        way->held.pop_front();
        --held_;
      }
    }
  }

  const std::string upstream_;
  const std::chrono::microseconds one_way_;
  std::string dir_, path_;
  int listener_ = -1, epoll_ = -1;
  util::EventFd stop_;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<Way>> ways_;
  std::vector<Way*> by_fd_;
  std::vector<char> piece_ = std::vector<char>(kPieceBytes);
  std::size_t held_ = 0;  // pieces in all ways
  std::thread thread_;
};

DelayProxy::DelayProxy(std::string upstream, std::chrono::microseconds one_way)
    : body_(std::make_unique<Body>(std::move(upstream), one_way)) {}
DelayProxy::~DelayProxy() = default;

const std::string& DelayProxy::socket_path() const { return body_->path(); }

}  // namespace flashsale::bench
