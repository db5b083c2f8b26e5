#include "support/splitting_proxy.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <thread>

#include "redis/socket.hpp"
#include "redis/url.hpp"
#include "support/wire_end.hpp"
#include "util/event_fd.hpp"

namespace flashsale::test {
namespace {

constexpr std::size_t kHeldMax = 64u << 20;
constexpr std::size_t kPrimary = 0;  // among the servers; the replicas follow

Deadline soon_enough() { return Deadline::clock::now() + std::chrono::seconds{5}; }

std::vector<redis::Node> nodes_of(const SplittingProxy::Servers& servers) {
  std::string url = "redis+replicas://" + servers.primary;
  for (const std::string& replica : servers.replicas) url += "," + replica;
  return redis::parse_url(url).value().nodes;
}

std::string in_capitals(std::string text) {
  for (char& letter : text) letter = letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
  return text;
}

/// The one line or bulk string at `at`, which moves behind it.
std::string text_at(const std::string& bytes, std::size_t& at) {
  const std::size_t end = at + *reply_at_front(std::string_view(bytes).substr(at));
  const std::size_t line = bytes.find("\r\n", at) + 2;
  const std::string text = bytes[at] == '$' ? bytes.substr(line, end - line - 2) : bytes.substr(at + 1, line - at - 3);
  at = end;
  return text;
}

std::size_t count_at(const std::string& bytes, std::size_t& at) {
  const std::size_t line = bytes.find("\r\n", at) + 2;
  const std::size_t count = std::stoul(bytes.substr(at + 1, line - at - 3));
  at = line;
  return count;
}

/// Each element of COMMAND is an array: name, arity, flags, six more, subcommands; those are elements again.
void note_read_only(const std::string& bytes, std::size_t& at, std::set<std::string>& names) {
  const auto skip = [&] { at += *reply_at_front(std::string_view(bytes).substr(at)); };
  const std::size_t fields = count_at(bytes, at);
  const std::string name = in_capitals(text_at(bytes, at));
  skip();
  for (std::size_t flags = count_at(bytes, at); flags > 0; --flags)
    if (text_at(bytes, at) == "readonly") names.insert(name);
  for (std::size_t i = 3; i < std::min<std::size_t>(fields, 9); ++i) skip();
  if (fields < 10) return;
  for (std::size_t within = count_at(bytes, at); within > 0; --within) note_read_only(bytes, at, names);
}

/// What this server calls readonly: subcommands as `XINFO|STREAM`.
std::set<std::string> read_only_commands(const redis::Node& primary) {
  auto socket = redis::Socket::connect(primary, soon_enough());
  std::string bytes, question = "*1\r\n$7\r\nCOMMAND\r\n";
  if (!socket || !give_to(*socket, question)) throw std::runtime_error("splitting proxy: no primary");
  while (!reply_at_front(bytes))
    if (socket->wait(POLLIN, soon_enough()) == 0 || !take_from(*socket, bytes, kHeldMax))
      throw std::runtime_error("splitting proxy: the primary does not tell its commands");
  std::set<std::string> names;
  std::size_t at = 0;
  for (std::size_t commands = count_at(bytes, at); commands > 0; --commands) note_read_only(bytes, at, names);
  if (names.count("HMGET") == 0) throw std::runtime_error("splitting proxy: COMMAND is not understood");
  return names;
}

/// A client's connection to one server.
struct Backend {
  redis::Socket socket;
  std::string out, in;
};

struct Client {
  redis::Socket socket;
  std::string in, out;
  std::vector<Backend> backends;
  std::deque<std::vector<std::size_t>> owed;  // the servers that answer each command under way; the first is believed
  bool dead = false;
};

}  // namespace

class SplittingProxy::Body {
 public:
  Body(const Servers& servers, const ProxyHabits& habits)
      : habits_(habits), nodes_(nodes_of(servers)), read_only_(read_only_commands(nodes_[kPrimary])) {
    random_.seed(habits.seed);
    listener_ = redis::Socket(listen_on_loopback(SOCK_NONBLOCK, port));
    if (!listener_.is_open() || !wake_.open()) throw std::runtime_error("splitting proxy: cannot listen");
    thread_ = std::thread([this] { run(); });
  }

  ~Body() {
    {
      const std::lock_guard lock(mutex);
      stopping_ = true;
    }
    wake_.raise();
    thread_.join();
  }

  void repoint(const Servers& servers) {
    const std::lock_guard lock(mutex);
    nodes_ = nodes_of(servers);
    for (Client& client : clients_) {
      client.dead |= !client.owed.empty() || !client.in.empty();
      client.backends = std::vector<Backend>(nodes_.size());
    }
    remove_dead();
    wake_.raise();
  }

  mutable std::mutex mutex;
  std::map<std::string, std::uint64_t> reads;  // guarded by mutex
  std::uint64_t writes = 0;                    // guarded by mutex
  std::uint16_t port = 0;

 private:
  void run() {
    for (;;) {
      std::vector<pollfd> entries;
      {
        const std::lock_guard lock(mutex);
        if (stopping_) return;
        entries = wanted();
      }
      poll(entries.data(), entries.size(), -1);
      wake_.lower();
      const std::lock_guard lock(mutex);
      for (Client& client : clients_) carry(client);
      remove_dead();
      accept_all();
    }
  }

  std::vector<pollfd> wanted() const {
    std::vector<pollfd> entries = {{wake_.fd(), POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
    const auto want = [&](const redis::Socket& socket, const std::string& out) {
      entries.push_back({socket.fd(), static_cast<short>(out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
    };
    for (const Client& client : clients_) {
      want(client.socket, client.out);
      for (const Backend& backend : client.backends)
        if (backend.socket.is_open()) want(backend.socket, backend.out);
    }
    return entries;
  }

  void accept_all() {
    for (;;) {
      redis::Socket socket(accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket.is_open()) return;
      clients_.emplace_back();
      clients_.back().socket = std::move(socket);
      clients_.back().backends.resize(nodes_.size());
    }
  }

  void carry(Client& client) {
    try {
      if (!take_from(client.socket, client.in, kHeldMax)) client.dead = true;
      tend_backends(client);
      route_all(client);
      for (Backend& backend : client.backends)
        if (backend.socket.is_open()) give_to(backend.socket, backend.out);
      while (!client.owed.empty() && answer(client)) continue;
      if (!give_to(client.socket, client.out)) client.dead = true;
    } catch (const std::runtime_error&) {
      client.dead = true;  // what is no RESP
    }
  }

  void tend_backends(Client& client) {
    for (std::size_t i = 0; i < client.backends.size(); ++i) {
      Backend& backend = client.backends[i];
      if (!backend.socket.is_open() || take_from(backend.socket, backend.in, kHeldMax)) continue;
      const bool owes = std::any_of(client.owed.begin(), client.owed.end(), [&](const auto& servers) {
        return std::find(servers.begin(), servers.end(), i) != servers.end();
      });
      client.dead |= owes;
      backend = Backend{};
    }
  }

  void route_all(Client& client) {
    std::size_t done = 0;
    while (!client.dead) {
      const auto command = command_at_front(std::string_view(client.in).substr(done));
      if (!command) break;
      const bool is_ping = !command->words.empty() && in_capitals(command->words[0]) == "PING";
      // As Envoy and Twemproxy answer it: whatever its argument.
      const std::string bytes = is_ping ? "*1\r\n$4\r\nPING\r\n" : client.in.substr(done, command->bytes);
      std::vector<std::size_t> servers;
      for (const std::size_t server : servers_for(command->words))
        if (reach(client, server)) servers.push_back(server);
      if (servers.empty() && reach(client, kPrimary)) servers.push_back(kPrimary);
      if (servers.empty()) client.dead = true;
      for (const std::size_t server : servers) client.backends[server].out += bytes;
      count(command->words, servers);
      client.owed.push_back(std::move(servers));
      done += command->bytes;
    }
    client.in.erase(0, done);
  }

  bool reach(Client& client, std::size_t server) {
    Backend& backend = client.backends[server];
    if (backend.socket.is_open()) return true;
    auto socket = redis::Socket::connect(nodes_[server], soon_enough());
    if (socket) backend.socket = std::move(*socket);
    return backend.socket.is_open();
  }

  std::vector<std::size_t> servers_for(const std::vector<std::string>& words) {
    const std::string name = words.empty() ? std::string() : in_capitals(words[0]);
    const std::string second = words.size() < 2 ? std::string() : in_capitals(words[1]);
    if (habits_.scripts_everywhere && name == "SCRIPT" && (second == "LOAD" || second == "FLUSH")) {
      std::vector<std::size_t> all(nodes_.size());
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
      return all;
    }
    const bool is_state = name == "INFO" || name == "TIME" || name == "ROLE";
    const bool is_read = read_only_.count(name) > 0 || read_only_.count(name + "|" + second) > 0;
    if (is_read || (is_state && habits_.anyone_tells_state)) return {pick()};
    return {kPrimary};
  }

  std::size_t pick() {
    const std::size_t first = habits_.primary_reads_too || nodes_.size() == 1 ? kPrimary : kPrimary + 1;
    const std::size_t count = nodes_.size() - first;
    return first + static_cast<std::size_t>(habits_.at_random ? random_() : turn_++) % count;
  }

  void count(const std::vector<std::string>& words, const std::vector<std::size_t>& servers) {
    const bool is_written = std::find(servers.begin(), servers.end(), kPrimary) != servers.end();
    if (is_written) ++writes;
    if (!is_written && !servers.empty()) ++reads[in_capitals(words[0]) + (words.size() > 1 ? " " + words[1] : "")];
  }

  /// The oldest command's reply, once everybody who was asked has answered it.
  static bool answer(Client& client) {
    std::vector<std::size_t> sizes;
    for (const std::size_t server : client.owed.front()) {
      const auto size = reply_at_front(client.backends[server].in);
      if (!size) return false;
      sizes.push_back(*size);
    }
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      std::string& in = client.backends[client.owed.front()[i]].in;
      if (i == 0) client.out.append(in, 0, sizes[i]);
      in.erase(0, sizes[i]);
    }
    client.owed.pop_front();
    return true;
  }

  void remove_dead() {
    clients_.erase(std::remove_if(clients_.begin(), clients_.end(), [](const Client& client) { return client.dead; }),
                   clients_.end());
  }

  const ProxyHabits habits_;
  std::vector<redis::Node> nodes_;  // guarded by mutex, like the rest
  const std::set<std::string> read_only_;
  std::mt19937_64 random_;
  std::uint64_t turn_ = 0;
  std::vector<Client> clients_;
  bool stopping_ = false;
  redis::Socket listener_;
  util::EventFd wake_;
  std::thread thread_;
};

SplittingProxy::SplittingProxy(Servers servers, ProxyHabits habits) : body_(std::make_unique<Body>(servers, habits)) {}
SplittingProxy::~SplittingProxy() = default;

std::uint16_t SplittingProxy::port() const { return body_->port; }
std::string SplittingProxy::address() const { return fmt::format("127.0.0.1:{}", port()); }
std::string SplittingProxy::url() const { return "redis://" + address(); }
void SplittingProxy::repoint(Servers servers) { body_->repoint(servers); }

std::map<std::string, std::uint64_t> SplittingProxy::reads() const {
  const std::lock_guard lock(body_->mutex);
  return body_->reads;
}
std::uint64_t SplittingProxy::writes() const {
  const std::lock_guard lock(body_->mutex);
  return body_->writes;
}

}  // namespace flashsale::test
