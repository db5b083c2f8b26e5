#include "support/wire_proxy.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

#include "redis/socket.hpp"
#include "redis/url.hpp"
#include "util/event_fd.hpp"

namespace flashsale::test {
namespace {

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kHeldMax = 1u << 20;

redis::Node upstream_node(const std::string& text) {
  const std::string url = text.at(0) == '/' ? "redis+unix://" + text : "redis://" + text;
  return redis::parse_url(url).value().nodes.at(0);
}

struct Pair {
  redis::Socket client;
  redis::Socket server;
  std::string to_server;
  std::string to_client;
  bool dead = false;
};

}  // namespace

class WireProxy::Body {
 public:
  Body(const std::string& upstream, Tcp tcp) : upstream_(upstream_node(upstream)) {
    dir_ = (std::filesystem::temp_directory_path() / "flashsale-proxy-XXXXXX").string();
    if (mkdtemp(dir_.data()) == nullptr || !wake_.open()) throw std::runtime_error("wire proxy: no folder");
    if (!(tcp == Tcp::no ? listen_here() : listen_on_loopback())) throw std::runtime_error("wire proxy: cannot listen");
    thread_ = std::thread([this] { run(); });
  }

  ~Body() {
    change([this] { stopping_ = true; });
    thread_.join();
    close(listener_);
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  std::string path() const { return dir_ + "/proxy.sock"; }

  template <class Change>
  void change(Change apply) {
    {
      std::lock_guard lock(mutex_);
      apply();
    }
    wake_.raise();
  }

  void reset() {
    stalled_ = splitting_ = duplicating_ = replacing_ = false;
    requests_left_ = replies_left_ = kUnlimited;
  }

  void close_all() {
    for (Pair& pair : pairs_) pair.dead = true;
    disturbed_ += pairs_.size();
    remove_dead();
  }

  void lead_to(const std::string& upstream) { upstream_ = upstream_node(upstream); }
  void redirect(const std::string& upstream) {
    upstream_ = upstream_node(upstream);
    close_all();
  }

  mutable std::mutex mutex_;
  bool stopping_ = false;
  bool stalled_ = false;
  bool splitting_ = false;
  bool duplicating_ = false;
  bool replacing_ = false;
  std::string replacement_;
  std::size_t requests_left_ = kUnlimited;
  std::size_t replies_left_ = kUnlimited;
  std::uint64_t accepted_ = 0;
  std::uint64_t disturbed_ = 0;
  std::uint16_t port_ = 0;
  std::uint64_t request_bytes_ = 0;
  std::uint64_t reply_bytes_ = 0;
  std::vector<Pair> pairs_;

 private:
  bool listen_here() {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path().c_str(), sizeof(name.sun_path) - 1);
    return listen_at(AF_UNIX, reinterpret_cast<sockaddr*>(&name), sizeof(name));
  }

  bool listen_on_loopback() {
    sockaddr_in name{};
    socklen_t size = sizeof(name);
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const any = reinterpret_cast<sockaddr*>(&name);
    if (!listen_at(AF_INET, any, size) || getsockname(listener_, any, &size) != 0) return false;
    port_ = ntohs(name.sin_port);
    return true;
  }

  bool listen_at(int family, const sockaddr* name, socklen_t size) {
    listener_ = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return listener_ >= 0 && bind(listener_, name, size) == 0 && listen(listener_, 128) == 0;
  }

  void run() {
    for (;;) {
      std::vector<pollfd> entries;
      {
        std::lock_guard lock(mutex_);
        if (stopping_) return;
        entries = wanted();
      }
      poll(entries.data(), entries.size(), -1);
      wake_.lower();
      std::lock_guard lock(mutex_);
      if (!stalled_) carry_all();
      accept_all();
    }
  }

  std::vector<pollfd> wanted() const {
    std::vector<pollfd> entries = {{wake_.fd(), POLLIN, 0}, {listener_, POLLIN, 0}};
    for (const Pair& pair : pairs_) {
      if (stalled_) break;
      const auto events = [](const std::string& incoming, const std::string& outgoing) {
        return static_cast<short>((incoming.size() < kHeldMax ? POLLIN : 0) | (outgoing.empty() ? 0 : POLLOUT));
      };
      entries.push_back({pair.client.fd(), events(pair.to_server, pair.to_client), 0});
      entries.push_back({pair.server.fd(), events(pair.to_client, pair.to_server), 0});
    }
    return entries;
  }

  void accept_all() {
    for (;;) {
      redis::Socket client(accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!client.is_open()) return;
      ++accepted_;
      auto server = redis::Socket::connect(upstream_, Deadline::clock::now() + std::chrono::seconds{5});
      if (!server) continue;
      pairs_.emplace_back();
      pairs_.back().client = std::move(client);
      pairs_.back().server = std::move(*server);
    }
  }

  void carry_all() {
    for (Pair& pair : pairs_) {
      take(pair.client, pair.to_server, pair);
      give(pair.server, pair.to_server, requests_left_, request_bytes_, pair);
      if (pair.dead) continue;
      const std::size_t before = pair.to_client.size();
      take(pair.server, pair.to_client, pair);
      disturb(pair.to_client, before);
      give(pair.client, pair.to_client, replies_left_, reply_bytes_, pair);
    }
    remove_dead();
  }

  void take(redis::Socket& from, std::string& into, Pair& pair) {
    char chunk[65536];
    while (into.size() < kHeldMax) {
      const auto moved = from.receive(chunk, sizeof(chunk));
      if (moved.bytes == 0) {
        pair.dead |= moved.error != EAGAIN;
        return;
      }
      into.append(chunk, moved.bytes);
    }
  }

  void disturb(std::string& held, std::size_t before) {
    if (held.size() == before) return;
    disturbed_ += duplicating_ || replacing_ ? 1 : 0;
    if (duplicating_) held += held.substr(before);
    if (replacing_) held.replace(before, std::string::npos, replacement_);
    duplicating_ = replacing_ = false;
  }

  void give(redis::Socket& to, std::string& held, std::size_t& left, std::uint64_t& carried, Pair& pair) {
    std::size_t done = 0;
    while (done < held.size() && left > 0) {
      const std::size_t most = std::min(held.size() - done, left);
      const auto moved = to.send(held.data() + done, splitting_ ? 1 : most);
      pair.dead |= moved.error != 0 && moved.error != EAGAIN;
      if (moved.error != 0) break;
      done += moved.bytes;
      carried += moved.bytes;
      if (left != kUnlimited) left -= moved.bytes;
    }
    held.erase(0, done);
    if (left > 0 || (done == 0 && held.empty())) return;
    left = kUnlimited;
    disturbed_ += pairs_.size();
    for (Pair& each : pairs_) each.dead = true;
  }

  void remove_dead() {
    pairs_.erase(std::remove_if(pairs_.begin(), pairs_.end(), [](const Pair& pair) { return pair.dead; }),
                 pairs_.end());
  }

  redis::Node upstream_;  // guarded by mutex_
  std::string dir_;
  util::EventFd wake_;
  int listener_ = -1;
  std::thread thread_;
};

WireProxy::WireProxy(std::string upstream, Tcp tcp) : body_(std::make_unique<Body>(upstream, tcp)) {}
WireProxy::~WireProxy() = default;

std::string WireProxy::url() const { return "redis+unix://" + body_->path(); }

std::uint16_t WireProxy::port() const { return body_->port_; }

void WireProxy::lead_to(std::string upstream) {
  body_->change([&] { body_->lead_to(upstream); });
}
void WireProxy::redirect(std::string upstream) {
  body_->change([&] { body_->redirect(upstream); });
}
void WireProxy::pass() {
  body_->change([this] { body_->reset(); });
}
void WireProxy::cut_requests_after(std::size_t bytes) {
  body_->change([&] { body_->requests_left_ = bytes; });
}
void WireProxy::cut_replies_after(std::size_t bytes) {
  body_->change([&] { body_->replies_left_ = bytes; });
}
void WireProxy::cut_now() {
  body_->change([this] { body_->close_all(); });
}
void WireProxy::stall() {
  body_->change([this] { body_->stalled_ = true; });
}
void WireProxy::duplicate_next_reply() {
  body_->change([this] { body_->duplicating_ = true; });
}
void WireProxy::replace_next_reply(std::string bytes) {
  body_->change([&] {
    body_->replacing_ = true;
    body_->replacement_ = std::move(bytes);
  });
}
void WireProxy::split_bytes() {
  body_->change([this] { body_->splitting_ = true; });
}

std::uint64_t WireProxy::accepted() const {
  std::lock_guard lock(body_->mutex_);
  return body_->accepted_;
}
std::uint64_t WireProxy::disturbed() const {
  std::lock_guard lock(body_->mutex_);
  return body_->disturbed_;
}
std::uint64_t WireProxy::request_bytes() const {
  std::lock_guard lock(body_->mutex_);
  return body_->request_bytes_;
}
std::uint64_t WireProxy::reply_bytes() const {
  std::lock_guard lock(body_->mutex_);
  return body_->reply_bytes_;
}
std::size_t WireProxy::open_connections() const {
  std::lock_guard lock(body_->mutex_);
  return body_->pairs_.size();
}

}  // namespace flashsale::test
