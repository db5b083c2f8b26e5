#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

#include <stdexcept>

#include "redis/connection_conformance.hpp"
#include "redis/redis_connection.hpp"
#include "redis/url.hpp"
#include "support/by_deadline.hpp"
#include "support/hanging_name.hpp"

namespace flashsale::test {
namespace {

using redis::RedisConnection;
using redis::Socket;

std::unique_ptr<Connection> connect(const std::string& url) {
  auto socket = Socket::connect(redis::parse_url(url).value().nodes[0], in(milliseconds{1000}));
  if (!socket) throw std::runtime_error(socket.error().detail);
  return std::make_unique<RedisConnection>(std::move(*socket));
}

/// A connection whose other end is in the test's hand: no server, so that it can say anything.
struct Scripted {
  Scripted() : Scripted(0) {}
  explicit Scripted(int buffer) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    if (buffer > 0) setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    connection = std::make_unique<RedisConnection>(Socket(ends[0]));
    peer = Socket(ends[1]);
  }
  void say(std::string_view bytes) { REQUIRE(peer.send(bytes.data(), bytes.size()).bytes == bytes.size()); }
  void close_when_asked() {
    peer.wait(POLLIN, in(kLong));
    peer.close();
  }
  std::string hear() {
    std::string all(1u << 20, '\0');
    all.resize(peer.receive(all.data(), all.size()).bytes);
    return all;
  }
  std::unique_ptr<RedisConnection> connection;
  Socket peer;
};

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* const dir = opendir("/proc/self/fd");
  while (readdir(dir) != nullptr) ++count;
  closedir(dir);
  return count;
}

TEST_CASE("our connection conforms, over a unix socket") { check_connection_conformance(connect); }

TEST_CASE("our connection works over TCP, by address and by name") {
  PrivateRedis server({}, Tcp::yes);
  replies_come_in_order_and_whole(connect, server.tcp_url());
  large_pipelines_do_not_deadlock(connect, "redis://localhost:" + std::to_string(server.port()));
}

TEST_CASE("a byte that left makes the effect unknown, none that left makes it none") {
  Scripted half(4096);
  const std::string large(1u << 20, 'x');
  std::thread leaver([&] { half.close_when_asked(); });
  const RoundTrip partly = half.connection->roundtrip({{"SET", "k", large}}, in(kLong));
  leaver.join();
  REQUIRE(partly.error);
  CHECK(partly.error->code == ErrorCode::disconnected);
  CHECK(partly.error->effect == Effect::unknown);

  Scripted gone;
  gone.peer.close();
  const RoundTrip none = gone.connection->roundtrip({{"PING"}}, in(kLong));
  REQUIRE(none.error);
  CHECK(none.error->code == ErrorCode::disconnected);
  CHECK(none.error->effect == Effect::none);
  CHECK_FALSE(gone.connection->is_open());
}

TEST_CASE("the effect is that of the first command without a reply") {
  Scripted scripted;
  scripted.say("+OK\r\n:2\r\n");
  std::thread leaver([&] { scripted.close_when_asked(); });
  const RoundTrip trip = scripted.connection->roundtrip({{"A"}, {"B"}, {"C"}}, in(kLong));
  leaver.join();
  REQUIRE(trip.error);
  CHECK(trip.replies.size() == 2);
  CHECK(trip.error->effect == Effect::unknown);
  CHECK(trip.error->code == ErrorCode::disconnected);
}

TEST_CASE("await goes on sending what a full socket held back") {
  Scripted scripted(4096);
  const std::string large(300'000, 'x');
  timed_out_after_sending(*scripted.connection, {{"SET", "k", large}, {"GET", "k"}});
  std::string heard;
  std::thread peer([&] {
    while (heard.size() < 300'000 || heard.substr(heard.size() - 7) != "$1\r\nk\r\n") {
      scripted.peer.wait(POLLIN, in(kLong));
      heard += scripted.hear();
    }
    scripted.say("+OK\r\n$1\r\nv\r\n");
  });
  const RoundTrip rest = scripted.connection->await(in(kLong));
  peer.join();
  REQUIRE_FALSE(rest.error);
  REQUIRE(rest.replies.size() == 2);
  CHECK(rest.replies[1].text == "v");
  CHECK(scripted.connection->is_usable());
}

TEST_CASE("a reply too many takes the whole round trip back") {
  Scripted scripted;
  scripted.say("+OK\r\n+OK\r\n:1\r\n");
  const RoundTrip trip = scripted.connection->roundtrip({{"A"}, {"B"}}, in(kLong));
  REQUIRE(trip.error);
  CHECK(trip.replies.empty());
  CHECK(trip.error->code == ErrorCode::protocol);
  CHECK(trip.error->effect == Effect::unknown);
  CHECK_FALSE(scripted.connection->is_open());
}

TEST_CASE("a duplicated reply is noticed") {
  PrivateRedis server;
  WireProxy proxy(server.socket_path());
  auto connection = greeted(connect, proxy.url());
  proxy.duplicate_next_reply();
  const RoundTrip trip = connection->roundtrip({{"ECHO", "mine"}}, in(kLong));
  REQUIRE(trip.error);
  CHECK(trip.error->code == ErrorCode::protocol);
  CHECK(connection->roundtrip({{"ECHO", "other"}}, in(kLong)).error->effect == Effect::none);
}

TEST_CASE("nonsense closes the connection, and the replies before it count") {
  PrivateRedis server;
  WireProxy proxy(server.socket_path());
  auto connection = greeted(connect, proxy.url());
  proxy.replace_next_reply("+OK\r\nHTTP/1.1 400 Bad Request\r\n");
  const RoundTrip trip = connection->roundtrip({{"SET", "a", "b"}, {"GET", "a"}}, in(kLong));
  REQUIRE(trip.error);
  CHECK(trip.replies.size() == 1);
  CHECK(trip.error->code == ErrorCode::protocol);
  CHECK(trip.error->effect == Effect::unknown);
}

TEST_CASE("why Redis turns a client away is heard, also where it hangs up first") {
  Scripted scripted;
  scripted.say("-ERR max number of clients reached\r\n");
  scripted.peer.close();
  const RoundTrip trip = scripted.connection->roundtrip({{"PING"}}, in(kLong));
  REQUIRE(trip.error);
  CHECK(trip.error->code == ErrorCode::disconnected);
  CHECK(trip.error->effect == Effect::none);
  CHECK(trip.error->detail.find("max number of clients") != std::string::npos);
}

TEST_CASE("a command without a name is refused, an empty batch is nothing") {
  Scripted scripted;
  CHECK_FALSE(scripted.connection->roundtrip({}, in(kLong)).error);
  const RoundTrip trip = scripted.connection->roundtrip({{"PING"}, {}}, in(kLong));
  REQUIRE(trip.error);
  CHECK(trip.error->code == ErrorCode::invalid_argument);
  CHECK(trip.error->effect == Effect::none);
  CHECK(scripted.hear().empty());
}

TEST_CASE("a write to a closed peer raises no SIGPIPE") {
  struct sigaction action {};
  REQUIRE(sigaction(SIGPIPE, nullptr, &action) == 0);
  REQUIRE((action.sa_handler == SIG_DFL));  // so that one would end this program
  Scripted scripted;
  scripted.peer.close();
  CHECK(scripted.connection->roundtrip({{"PING"}}, in(kLong)).error);
}

TEST_CASE("signals do not cut a wait short") {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction before {};
  sigaction(SIGUSR1, &action, &before);
  Scripted scripted;
  const pthread_t waiter = pthread_self();
  std::thread peer([&] {
    scripted.peer.wait(POLLIN, in(kLong));
    for (int i = 0; i < 50; ++i) pthread_kill(waiter, SIGUSR1);
    scripted.say("+PONG\r\n");
  });
  CHECK_FALSE(scripted.connection->roundtrip({{"PING"}}, in(kLong)).error);
  peer.join();
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("descriptors are closed on exec and not left behind") {
  PrivateRedis server;
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 20; ++i) {
    auto socket = Socket::connect(redis::parse_url(server.url()).value().nodes[0], in(kLong));
    REQUIRE(socket);
    CHECK((fcntl(socket->fd(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK(RedisConnection(std::move(*socket)).is_quiet());
  }
  CHECK_FALSE(Socket::connect({{}, 0, server.dir() + "/nobody"}, in(kLong)));
  CHECK(open_descriptors() == before);
}

TEST_CASE("a name that nobody has, and a port where nobody listens, are disconnected") {
  const auto no_name = Socket::connect({"no-such-host.invalid", 6379, {}}, in(kLong));
  REQUIRE_FALSE(no_name);
  CHECK(no_name.error().code == ErrorCode::disconnected);
  CHECK(no_name.error().detail.find("no-such-host.invalid") != std::string::npos);
  const auto no_port = Socket::connect({"127.0.0.1", free_port(), {}}, in(kLong));
  REQUIRE_FALSE(no_port);
  CHECK(no_port.error().code == ErrorCode::disconnected);
  CHECK(no_port.error().detail.find("127.0.0.1:") != std::string::npos);
}

TEST_CASE(
    "a name look-up that hangs ends by the deadline, holds one thread however often, and holds up no other name") {
  const HangingName name;
  for (int i = 0; i < 3; ++i) {
    const auto late = by_deadline(milliseconds{200}, [](Deadline deadline) {
      return Socket::connect({HangingName::kHost, 6379, {}}, deadline);
    });
    REQUIRE_FALSE(late);
    CHECK(late.error().code == ErrorCode::timed_out);
    CHECK(late.error().effect == Effect::none);
    CHECK(late.error().detail == fmt::format("the look-up of {} took too long", HangingName::kHost));
  }
  CHECK(name.look_ups() == 1);
  const auto refused = by_deadline(kLong, [](Deadline deadline) {
    return Socket::connect({"localhost", free_port(), {}}, deadline);
  });
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::disconnected);
}

}  // namespace
}  // namespace flashsale::test
