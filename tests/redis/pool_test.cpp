#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <thread>

#include "flashsale/redis.hpp"
#include "redis/connection_conformance.hpp"
#include "redis/handshake.hpp"
#include "redis/nodes.hpp"
#include "redis/silent_port.hpp"
#include "support/wire_proxy.hpp"
#include "util/stop.hpp"

namespace flashsale::test {
namespace {

std::shared_ptr<ConnectionPool> pool_of(const std::string& url, PoolOptions options = {}) {
  return make_pool(url, options).value();
}

std::string node(const PrivateRedis& server) { return "127.0.0.1:" + std::to_string(server.port()); }

/// The port of the node behind `lease`.
std::string port_of(const Lease& lease) {
  return lease->roundtrip({{"CONFIG", "GET", "port"}}, in(kLong)).replies.at(0).elements.at(1).text;
}

std::string port_for(ConnectionPool& pool, Role role) { return port_of(leased(pool, role)); }

std::string text_of(const PrivateRedis& server) { return std::to_string(server.port()); }

/// A replica as the tests need it: it does not wait for more replicas before it copies.
const std::vector<std::string> kQuickSync = {"--repl-diskless-sync-delay", "0"};

TEST_CASE("our pool conforms") { check_pool_conformance(pool_of); }

TEST_CASE("a server whose disk fails is there: it refuses PING as if that were a write, and is read all the same") {
  PrivateRedis server({"--enable-protected-configs", "yes"});
  const std::string gone = server.dir() + "/gone";
  REQUIRE(std::filesystem::create_directory(gone));
  server.command({"SET", "key", "value"});
  server.command({"CONFIG", "SET", "dir", gone});
  REQUIRE(std::filesystem::remove(gone));  // a save fails there, whoever may write elsewhere
  server.command({"CONFIG", "SET", "save", "3600 1000"});
  server.command({"BGSAVE"});
  REQUIRE(eventually([&] { return server.command({"PING"}).text.rfind("MISCONF", 0) == 0; }));
  auto pool = pool_of(server.url());
  CHECK(leased(*pool)->roundtrip({{"GET", "key"}}, in(kLong)).replies.at(0).text == "value");
}

TEST_CASE("login and db are those of the URL") {
  PrivateRedis server;
  server.command({"ACL", "SETUSER", "ann", "on", ">pa@ss", "~*", "+@all"});
  server.command({"ACL", "SETUSER", "default", ">word"});
  const std::string path = server.socket_path();
  const std::string dir = "redis+unix://";
  for (const std::string login : {":word@", "ann:pa%40ss@"}) {
    auto pool = pool_of(dir + login + path + "?db=3");
    Lease lease = leased(*pool);
    const RoundTrip trip = lease->roundtrip({{"CLIENT", "INFO"}}, in(kLong));
    CHECK(trip.replies.at(0).text.find(" db=3 ") != std::string::npos);
    CHECK(trip.replies.at(0).text.find(login[0] == ':' ? " user=default " : " user=ann ") != std::string::npos);
  }
  for (const std::string login : {"", ":wrong@", "nobody:word@"}) {
    auto pool = pool_of(dir + login + path);
    for (int i = 0; i < 2; ++i) {  // the second one is answered during the pause, and must not wait for its end
      const auto none = pool->acquire(Role::primary, 0, in(kLong));
      REQUIRE_FALSE(none);
      CHECK(none.error().code == ErrorCode::refused);
      CHECK(none.error().effect == Effect::none);
      CHECK(none.error().detail.find("wrong@") == std::string::npos);
    }
  }
  const auto no_db = pool_of(dir + ":word@" + path + "?db=99")->acquire(Role::primary, 0, in(kLong));
  REQUIRE_FALSE(no_db);
  CHECK(no_db.error().detail.find("SELECT") != std::string::npos);
}

TEST_CASE("a restarted Redis is found again, and its dead connections are never lent") {
  PrivateRedis server;
  auto pool = pool_of(server.url());
  {
    std::vector<Lease> leases;
    for (int i = 0; i < 5; ++i) leases.push_back(leased(*pool));
  }
  server.kill_now();
  const auto none = pool->acquire(Role::primary, 0, in(milliseconds{20}));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::disconnected);
  CHECK(none.error().detail.find(server.socket_path()) != std::string::npos);
  std::thread waiter([&] { client_id(leased(*pool)); });  // begins while nobody is there
  server.start();
  waiter.join();
  for (int i = 0; i < 5; ++i) client_id(leased(*pool));
}

TEST_CASE("an idle connection is asked before it is lent, and a silent one is replaced") {
  PrivateRedis server;
  WireProxy proxy(server.socket_path());
  PoolOptions options;
  options.idle_check = milliseconds{0};
  auto pool = pool_of(proxy.url(), options);
  const auto id = client_id(leased(*pool));
  CHECK(client_id(leased(*pool)) == id);
  proxy.replace_next_reply("-LOADING for the test\r\n");
  CHECK(client_id(leased(*pool)) != id);
}

TEST_CASE("a Redis that turns clients away is waited for") {
  PrivateRedis server;
  WireProxy proxy(server.socket_path());
  auto pool = pool_of(proxy.url());
  proxy.replace_next_reply("-LOADING Redis is loading the dataset in memory\r\n");
  client_id(leased(*pool));
  CHECK(proxy.accepted() == 2);
}

TEST_CASE("many threads share few connections") {
  PrivateRedis server;
  PoolOptions options;
  options.connections_max = 3;
  auto pool = pool_of(server.url(), options);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        auto lease = pool->acquire(Role::primary, 0, in(kLong));
        if (!lease) continue;
        if ((*lease)->roundtrip({{"INCR", "n"}}, in(kLong)).error) continue;
        if (i % 50 == 0) lease->report(Heard::broken);
        ++good;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(good == 1600);
  CHECK(server.command({"GET", "n"}).text == "1600");
}

TEST_CASE("a child's destruction does not wait for the parent's waiters") {
  PrivateRedis server;
  PoolOptions options;
  options.connections_max = 1;
  auto pool = pool_of(server.url(), options);
  Lease only = leased(*pool);
  std::atomic<bool> waiting{false};
  std::thread waiter([&] {
    waiting = true;
    CHECK(pool->acquire(Role::primary, 0, in(kLong)));
  });
  REQUIRE(eventually([&] { return waiting.load(); }));
  CHECK(in_child([&] {
    only = Lease();  // held across the fork
    pool.reset();
    return true;
  }));
  client_id(only);  // the parent's connection was not touched
  only = Lease();
  waiter.join();
}

TEST_CASE("ROLE says what a node is") {
  const auto role = [](std::vector<std::string> parts) {
    Reply reply;
    reply.type = Reply::Type::array;
    for (auto& part : parts) {
      reply.elements.emplace_back();
      reply.elements.back().text = std::move(part);
    }
    return redis::part_of(reply).standing;
  };
  CHECK(role({"master", "0", ""}) == redis::Standing::primary);
  CHECK(role({"slave", "h", "1", "connected", "5"}) == redis::Standing::replica);
  CHECK(role({"slave", "h", "1", "connect", "-1"}) == redis::Standing::unlinked);
  CHECK(role({"slave", "h", "1", "sync", "-1"}) == redis::Standing::unlinked);
  CHECK(role({"slave"}) == redis::Standing::unknown);
  CHECK(role({"sentinel", ""}) == redis::Standing::unknown);
  CHECK(role({}) == redis::Standing::unknown);
  CHECK(redis::part_of(Reply{}).standing == redis::Standing::unknown);
}

TEST_CASE("a list sends decisions to the primary and reads to the replicas in turn") {
  PrivateRedis primary(kQuickSync, Tcp::yes);
  PrivateRedis one(kQuickSync, Tcp::yes);
  PrivateRedis two(kQuickSync, Tcp::yes);
  one.replica_of(primary);
  two.replica_of(primary);
  auto pool = pool_of("redis+replicas://" + node(primary) + "," + node(one) + "," + node(two));
  CHECK(port_for(*pool, Role::primary) == text_of(primary));
  std::multiset<std::string> ports;
  for (int i = 0; i < 4; ++i) ports.insert(port_for(*pool, Role::replica));
  CHECK(ports.count(text_of(one)) == 2);
  CHECK(ports.count(text_of(two)) == 2);

  SUBCASE("a dead replica is left alone, and without any the primary answers") {
    one.kill_now();
    for (int i = 0; i < 4; ++i) CHECK(port_for(*pool, Role::replica) == text_of(two));
    two.kill_now();
    CHECK(port_for(*pool, Role::replica) == text_of(primary));
    one.start();
    one.replica_of(primary);
    CHECK(eventually([&] { return port_for(*pool, Role::replica) == text_of(one); }));
  }
  SUBCASE("a promoted replica is found after not_primary") {
    Lease lease = leased(*pool);
    Lease bystander = leased(*pool);
    one.command({"REPLICAOF", "NO", "ONE"});
    primary.replica_of(one);
    const RoundTrip trip = lease->roundtrip({{"SET", "a", "b"}}, in(kLong));
    REQUIRE(trip.replies.at(0).text.substr(0, 8) == "READONLY");
    lease.report(Heard::not_primary, trip.replies[0].text);
    lease = Lease();
    bystander = Lease();  // made before the doubt: not lent again either
    CHECK(port_for(*pool, Role::primary) == text_of(one));
    CHECK(eventually([&] { return port_for(*pool, Role::replica) == text_of(primary); }));
  }
  SUBCASE("a dead primary's successor is found") {
    primary.kill_now();
    one.command({"REPLICAOF", "NO", "ONE"});
    CHECK(port_for(*pool, Role::primary) == text_of(one));
  }
  SUBCASE("without any primary the error says what each node is") {
    primary.kill_now();
    CHECK(eventually([&] {
      const auto none = pool->acquire(Role::primary, 0, in(milliseconds{50}));
      if (none || none.error().code != ErrorCode::disconnected) return false;
      const std::string& detail = none.error().detail;
      return detail.find("connect to " + node(primary)) != std::string::npos &&
             detail.find(node(one) + " is a replica") != std::string::npos;
    }));
  }
}

TEST_CASE("a list whose first node is a replica finds the primary further on") {
  PrivateRedis primary(kQuickSync, Tcp::yes);
  PrivateRedis replica(kQuickSync, Tcp::yes);
  replica.replica_of(primary);
  auto pool = pool_of("redis+replicas://" + node(replica) + "," + node(primary));
  CHECK(port_for(*pool, Role::primary) == text_of(primary));
  CHECK(port_for(*pool, Role::replica) == text_of(replica));
}

TEST_CASE("a replica without its primary is not fit to be read") {
  PrivateRedis primary(kQuickSync, Tcp::yes);
  PrivateRedis replica(kQuickSync, Tcp::yes);
  replica.command({"REPLICAOF", "127.0.0.1", std::to_string(free_port())});
  auto pool = pool_of("redis+replicas://" + node(primary) + "," + node(replica));
  for (int i = 0; i < 3; ++i) CHECK(port_for(*pool, Role::replica) == text_of(primary));
}

TEST_CASE("a replica that answers nothing leaves time for the primary") {
  PrivateRedis primary({}, Tcp::yes);
  const SilentPort silent;
  PoolOptions options;
  options.connect_timeout = milliseconds{200};
  const std::string nodes = node(primary) + "," + silent.address();
  auto pool = pool_of("redis+replicas://" + nodes, options);
  CHECK(port_for(*pool, Role::replica) == text_of(primary));
}

TEST_CASE("callers in a hurry pass a primary that answers nothing, each by what the others learned") {
  PrivateRedis primary({}, Tcp::yes);
  const SilentPort silent;
  for (const int patience : {250, 60}) {
    CAPTURE(patience);
    auto pool = pool_of("redis+replicas://" + silent.address() + "," + node(primary));
    CHECK(eventually([&] { return pool->acquire(Role::primary, 0, in(milliseconds{patience})).has_value(); }, kLong));
  }
}

TEST_CASE("a Redis that does not know AUTH repeats the password, and no message of ours does") {
  PrivateRedis server({"--rename-command", "AUTH", "HIDDEN"});
  for (const std::string login : {"ann:s3cret@", ":s3cret@"}) {
    const auto none = pool_of("redis+unix://" + login + server.socket_path())->acquire(Role::primary, 0, in(kLong));
    REQUIRE_FALSE(none);
    CAPTURE(none.error().detail);
    CHECK(none.error().code == ErrorCode::refused);
    CHECK(none.error().detail.find("AUTH") != std::string::npos);
    CHECK(none.error().detail.find("s3cret") == std::string::npos);
  }
}

/// True if `wait`, on a thread of its own, ends long before its deadline once that thread is asked to stop.
bool ends_when_stopped(const std::function<void(Deadline)>& wait) {
  const auto deadline = in(std::chrono::seconds{30});
  util::StopSource stop;
  std::thread thread([&] {
    const util::StopScope scope(stop);
    wait(deadline);
  });
  std::this_thread::sleep_for(milliseconds{20});  // it may be in its wait by then, or about to begin it: both must end
  stop.request();
  thread.join();
  return Deadline::clock::now() < deadline - std::chrono::seconds{15};
}

TEST_CASE("a thread that is asked to stop waits for nobody: a handshake, a reply, a connection, a pause") {
  PrivateRedis server;
  WireProxy proxy(server.socket_path());
  PoolOptions options;
  options.connect_timeout = std::chrono::seconds{30};
  options.connections_max = 1;
  const auto asks = pool_of(proxy.url(), options);
  const auto lease = asks->acquire(Role::primary, 0, in(kLong));
  REQUIRE(lease);
  proxy.stall();

  const auto greets = pool_of(proxy.url(), options);
  CHECK(ends_when_stopped([&](Deadline by) { CHECK_FALSE(greets->acquire(Role::primary, 0, by)); }));
  CHECK(ends_when_stopped([&](Deadline by) {
    const RoundTrip trip = (*lease)->roundtrip({{"PING"}}, by);
    REQUIRE(trip.error);
    CHECK(trip.error->code == ErrorCode::timed_out);
    CHECK(trip.error->effect == Effect::unknown);
  }));
  CHECK(ends_when_stopped([&](Deadline by) { CHECK_FALSE(asks->acquire(Role::primary, 0, by)); }));

  options.reconnect_min = options.reconnect_max = std::chrono::seconds{30};
  const auto pauses = pool_of("redis+unix:///nosuch/redis.sock", options);
  CHECK(ends_when_stopped([&](Deadline by) { CHECK_FALSE(pauses->acquire(Role::primary, 0, by)); }));
}

TEST_CASE("a healthy Redis still has its say after the thread was asked to stop") {
  PrivateRedis server;
  const auto pool = pool_of(server.url());
  util::StopSource stop;
  stop.request();
  const util::StopScope scope(stop);
  bool answered = false;
  for (int i = 0; i < 100 && !answered; ++i) {  // on a slow machine a grace may be too short
    const auto lease = pool->acquire(Role::primary, 0, in(kLong));
    answered = lease && !(*lease)->roundtrip({{"PING"}}, in(kLong)).error;
  }
  CHECK(answered);
}

TEST_CASE("the pause after failures doubles to its bound, is jittered, and ends with a success") {
  PoolOptions options;
  redis::Pause pause;
  Deadline now{};
  now += std::chrono::hours{1};
  milliseconds whole = options.reconnect_min;
  for (int i = 0; i < 20; ++i) {
    pause.failed(now, options, static_cast<std::uint64_t>(i) * 7919);
    CHECK(pause.until() - now >= whole / 2);
    CHECK(pause.until() - now <= whole);
    const auto until = pause.until();
    pause.failed(now, options, 0);  // another thread's view of the same failure
    CHECK(pause.until() == until);
    now = until;
    whole = std::min(whole * 2, options.reconnect_max);
  }
  pause.worked();
  CHECK_FALSE(pause.has_failed());
}

}  // namespace
}  // namespace flashsale::test
