#include "support/scripted_server.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "support/wire_end.hpp"

namespace flashsale::test {
class ScriptedServer::Body {
 public:
  explicit Body(Answer answer) : answer_(std::move(answer)) {
    listener_ = listen_on_loopback(0, port);
    if (listener_ < 0 || pipe(bell_) != 0) throw std::runtime_error("scripted server: no port");
    thread_ = std::thread([this] { serve(); });
  }
  ~Body() {
    close(bell_[1]);
    thread_.join();
    for (const auto& [fd, bytes] : clients_) close(fd);
    close(listener_);
    close(bell_[0]);
  }
  std::vector<std::string> heard() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return heard_;
  }
  std::uint16_t port = 0;

 private:
  void serve() {
    for (;;) {
      std::vector<pollfd> waits{{bell_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const auto& [fd, bytes] : clients_) waits.push_back({fd, POLLIN, 0});
      poll(waits.data(), waits.size(), -1);
      if (waits[0].revents != 0) return;
      if (waits[1].revents != 0) {
        const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (fd >= 0) clients_[fd];
      }
      for (std::size_t i = 2; i < waits.size(); ++i)
        if (waits[i].revents != 0) read_from(waits[i].fd);
    }
  }
  void read_from(int fd) {
    char chunk[65'536];
    const auto got = recv(fd, chunk, sizeof(chunk), 0);
    if (got <= 0) {
      close(fd);
      clients_.erase(fd);
      return;
    }
    clients_[fd].append(chunk, static_cast<std::size_t>(got));
    while (const auto command = command_at_front(clients_[fd])) {
      clients_[fd].erase(0, command->bytes);
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        heard_.push_back(command->words.at(0));
      }
      const std::string bytes = answer_(command->words);
      send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    }
  }

  Answer answer_;
  int listener_ = -1;
  int bell_[2] = {-1, -1};
  std::map<int, std::string> clients_;  // of the thread
  mutable std::mutex mutex_;
  std::vector<std::string> heard_;  // guarded by mutex_
  std::thread thread_;
};

ScriptedServer::ScriptedServer(Answer answer) : body_(std::make_unique<Body>(std::move(answer))) {}
ScriptedServer::~ScriptedServer() = default;
std::uint16_t ScriptedServer::port() const { return body_->port; }
std::string ScriptedServer::address() const { return fmt::format("127.0.0.1:{}", port()); }
std::vector<std::string> ScriptedServer::heard() const { return body_->heard(); }

std::string bulk(const std::string& text) { return fmt::format("${}\r\n{}\r\n", text.size(), text); }

std::string array(const std::vector<std::string>& elements) {
  std::string bytes = fmt::format("*{}\r\n", elements.size());
  for (const std::string& element : elements) bytes += element;
  return bytes;
}

}  // namespace flashsale::test
