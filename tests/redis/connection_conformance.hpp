/// Tells you whether your Connection and ConnectionPool do what the engine relies on. In a doctest program:
///
///   TEST_CASE("my connection") { flashsale::test::check_connection_conformance(my_connect); }
///   TEST_CASE("my pool") { flashsale::test::check_pool_conformance(my_make_pool); }
///
/// It starts a redis-server of its own, and breaks conversations in between.
#pragma once

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "flashsale/connection.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/options.hpp"
#include "support/private_redis.hpp"
#include "support/wire_proxy.hpp"

namespace flashsale::test {

/// Connects to `url` (redis+unix://) within a second or throws.
using MakeConnection = std::function<std::unique_ptr<Connection>(const std::string& url)>;
/// `connections_max` of the options must be kept; the other options may be.
using MakePool = std::function<std::shared_ptr<ConnectionPool>(const std::string& url, PoolOptions options)>;

inline Deadline in(milliseconds time) { return Deadline::clock::now() + time; }
inline constexpr milliseconds kLong{20'000};

/// A connection that has had its first round trip, so that whatever it says on connecting is behind it.
inline std::unique_ptr<Connection> greeted(const MakeConnection& make, const std::string& url) {
  auto connection = make(url);
  const RoundTrip trip = connection->roundtrip({{"PING"}}, in(kLong));
  REQUIRE_FALSE(trip.error);
  REQUIRE(trip.replies.size() == 1);
  return connection;
}

inline void replies_come_in_order_and_whole(const MakeConnection& make, const std::string& url) {
  auto connection = greeted(make, url);
  const std::string binary("\0\r\n$5\r\n\xff", 9);
  const RoundTrip trip =
      connection->roundtrip({{"SET", binary, binary},
                             {"GET", binary},
                             {"GET", "absent"},
                             {"INCR", "number"},
                             {"INCR", binary},
                             {"EVAL", "return {1, {'two', false}, redis.error_reply('MINE x')}", "0"},
                             {"SET", "empty", ""},
                             {"GET", "empty"}},
                            in(kLong));
  REQUIRE_FALSE(trip.error);
  REQUIRE(trip.replies.size() == 8);
  CHECK(trip.replies[0].text == "OK");
  CHECK(trip.replies[1].text == binary);
  CHECK(trip.replies[2].type == Reply::Type::nil);
  CHECK(trip.replies[3].integer == 1);
  CHECK(trip.replies[4].type == Reply::Type::error);
  CHECK(trip.replies[4].text.substr(0, 4) == "ERR ");
  const auto& nested = trip.replies[5].elements;
  REQUIRE(nested.size() == 3);
  CHECK(nested[0].integer == 1);
  REQUIRE(nested[1].elements.size() == 2);
  CHECK(nested[1].elements[0].text == "two");
  CHECK(nested[1].elements[1].type == Reply::Type::nil);
  CHECK(nested[2].text == "MINE x");
  CHECK(trip.replies[7].type == Reply::Type::text);
  CHECK(trip.replies[7].text.empty());
}

inline void a_passed_deadline_sends_nothing(const MakeConnection& make, const std::string& url) {
  auto connection = greeted(make, url);
  const RoundTrip late = connection->roundtrip({{"SET", "late", "1"}}, Deadline::clock::now());
  REQUIRE(late.error);
  CHECK(late.error->code == ErrorCode::timed_out);
  CHECK(late.error->effect == Effect::none);
  auto other = greeted(make, url);
  CHECK(other->roundtrip({{"GET", "late"}}, in(kLong)).replies.at(0).type == Reply::Type::nil);
}

inline const std::vector<Command>& cut_commands() {
  static const std::vector<Command> commands = {{"SET", "cut", "v"}, {"GET", "cut"}, {"STRLEN", "cut"}};
  return commands;
}

inline void a_cut_at_any_reply_byte_is_told(const MakeConnection& make, WireProxy& proxy) {
  const std::vector<std::size_t> ends = {5, 12, 16};  // "+OK\r\n", "$1\r\nv\r\n", ":1\r\n"
  for (std::size_t cut = 0; cut < ends.back(); ++cut) {
    CAPTURE(cut);
    proxy.pass();
    auto connection = greeted(make, proxy.url());
    proxy.cut_replies_after(cut);
    const RoundTrip trip = connection->roundtrip(cut_commands(), in(kLong));
    const auto whole = std::count_if(ends.begin(), ends.end(), [&](std::size_t end) { return end <= cut; });
    CHECK(trip.replies.size() == static_cast<std::size_t>(whole));
    REQUIRE(trip.error);
    CHECK(trip.error->code == ErrorCode::disconnected);
    CHECK(trip.error->effect == Effect::unknown);
    CHECK(connection->roundtrip({{"PING"}}, in(kLong)).error);
  }
  proxy.pass();
}

inline void a_cut_at_any_request_byte_is_told(const MakeConnection& make, WireProxy& proxy) {
  proxy.pass();
  const auto before = proxy.request_bytes();
  auto first = greeted(make, proxy.url());
  const auto middle = proxy.request_bytes();
  REQUIRE_FALSE(first->roundtrip(cut_commands(), in(kLong)).error);
  const std::size_t total = proxy.request_bytes() - middle;
  REQUIRE(middle > before);
  for (std::size_t cut = 0; cut < total; ++cut) {
    CAPTURE(cut);
    proxy.pass();
    auto connection = greeted(make, proxy.url());
    proxy.cut_requests_after(cut);
    const RoundTrip trip = connection->roundtrip(cut_commands(), in(kLong));
    CHECK(trip.replies.empty());
    REQUIRE(trip.error);
    CHECK(trip.error->effect == Effect::unknown);
    CHECK(connection->roundtrip({{"PING"}}, in(kLong)).error);
  }
  proxy.pass();
}

inline void replies_in_single_bytes_are_whole(const MakeConnection& make, WireProxy& proxy) {
  auto connection = greeted(make, proxy.url());
  proxy.split_bytes();
  const RoundTrip trip = connection->roundtrip(cut_commands(), in(kLong));
  proxy.pass();
  REQUIRE_FALSE(trip.error);
  CHECK(trip.replies.at(1).text == "v");
}

/// A round trip that nobody answers. On a machine that is very busy the deadline may pass before anything is sent,
/// which leaves nothing behind; then it is tried again.
inline void timed_out_after_sending(Connection& connection, const std::vector<Command>& commands) {
  for (int tries = 0; tries < 100; ++tries) {
    const auto deadline = in(milliseconds{20});
    const RoundTrip late = connection.roundtrip(commands, deadline);
    CHECK(Deadline::clock::now() >= deadline);
    REQUIRE(late.error);
    CHECK(late.error->code == ErrorCode::timed_out);
    if (late.error->effect == Effect::unknown) return;
  }
  FAIL("nothing was ever sent");
}

inline void after_a_timeout_the_replies_are_owed(const MakeConnection& make, WireProxy& proxy) {
  auto connection = greeted(make, proxy.url());
  proxy.stall();
  timed_out_after_sending(*connection, {{"SET", "owed", "1"}, {"GET", "owed"}});
  const RoundTrip refused = connection->roundtrip({{"PING"}}, in(kLong));
  REQUIRE(refused.error);
  CHECK(refused.error->code == ErrorCode::disconnected);
  CHECK(refused.error->effect == Effect::none);

  const RoundTrip again = connection->await(in(milliseconds{10}));
  REQUIRE(again.error);
  const bool goes_on = again.error->code == ErrorCode::timed_out;
  CHECK(again.error->effect == Effect::unknown);
  proxy.pass();
  const RoundTrip rest = connection->await(in(kLong));
  if (!goes_on) {
    CHECK(rest.error);
    return;
  }
  REQUIRE_FALSE(rest.error);
  REQUIRE(rest.replies.size() == 2);
  CHECK(rest.replies[1].text == "1");
  CHECK_FALSE(connection->roundtrip({{"PING"}}, in(kLong)).error);
}

inline void large_pipelines_do_not_deadlock(const MakeConnection& make, const std::string& url) {
  auto connection = greeted(make, url);
  const std::string value(800, 'x');
  std::vector<std::string> keys;
  for (int i = 0; i < 10'000; ++i) keys.push_back("large:" + std::to_string(i));
  std::vector<Command> commands;
  for (const auto& key : keys) {
    commands.push_back({"SET", key, value});
    commands.push_back({"GET", key});
  }
  const RoundTrip trip = connection->roundtrip(commands, in(kLong));
  REQUIRE_FALSE(trip.error);
  REQUIRE(trip.replies.size() == commands.size());
  CHECK(std::all_of(trip.replies.begin(), trip.replies.end(),
                    [&](const Reply& reply) { return reply.text == "OK" || reply.text == value; }));
}

inline void check_connection_conformance(const MakeConnection& make) {
  PrivateRedis server;
  WireProxy proxy(server.socket_path());
  replies_come_in_order_and_whole(make, server.url());
  a_passed_deadline_sends_nothing(make, server.url());
  a_cut_at_any_reply_byte_is_told(make, proxy);
  a_cut_at_any_request_byte_is_told(make, proxy);
  replies_in_single_bytes_are_whole(make, proxy);
  after_a_timeout_the_replies_are_owed(make, proxy);
  large_pipelines_do_not_deadlock(make, server.url());
}

/// What Redis calls the connection of `lease`.
inline std::int64_t client_id(const Lease& lease) {
  const RoundTrip trip = lease->roundtrip({{"CLIENT", "ID"}}, in(kLong));
  REQUIRE_FALSE(trip.error);
  return trip.replies.at(0).integer;
}

inline Lease leased(ConnectionPool& pool, Role role = Role::primary) {
  auto lease = pool.acquire(role, 0, in(kLong));
  if (!lease) FAIL(lease.error().detail);
  return std::move(*lease);
}

inline void a_lease_goes_back_exactly_once(const MakePool& make, const std::string& url) {
  PoolOptions options;
  options.connections_max = 2;
  auto pool = make(url, options);
  std::set<std::int64_t> ids;
  for (int i = 0; i < 20; ++i) {
    Lease lease = leased(*pool);
    Lease moved = std::move(lease);
    Lease assigned;
    assigned = std::move(moved);
    CHECK_FALSE(lease);
    CHECK_FALSE(moved);
    ids.insert(client_id(assigned));
  }
  CHECK(ids.size() == 1);
  Lease first = leased(*pool);
  Lease second = leased(*pool);
  CHECK(client_id(first) != client_id(second));
}

inline void a_full_pool_waits_until_the_deadline(const MakePool& make, const std::string& url) {
  PoolOptions options;
  options.connections_max = 1;
  auto pool = make(url, options);
  Lease only = leased(*pool);
  auto none = pool->acquire(Role::primary, 0, in(milliseconds{10}));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::timed_out);
  CHECK(none.error().effect == Effect::none);
  std::thread waiter([&] { CHECK(pool->acquire(Role::primary, 0, in(kLong))); });
  only = Lease();
  waiter.join();
}

inline void what_was_reported_is_not_lent_again(const MakePool& make, const std::string& url) {
  auto pool = make(url, PoolOptions{});
  for (const Heard heard : {Heard::broken, Heard::moved, Heard::not_primary}) {
    Lease lease = leased(*pool);
    const auto id = client_id(lease);
    lease.report(heard, "for the test");
    lease = Lease();
    CHECK(client_id(leased(*pool)) != id);
  }
}

inline void what_still_owes_is_not_lent_again(const MakePool& make, WireProxy& proxy) {
  auto pool = make(proxy.url(), PoolOptions{});
  Lease lease = leased(*pool);
  const auto id = client_id(lease);
  proxy.stall();
  CHECK(lease->roundtrip({{"PING"}}, in(milliseconds{10})).error);
  proxy.pass();
  lease.report(Heard::broken);
  lease = Lease();
  CHECK(client_id(leased(*pool)) != id);
}

inline void nobody_there_is_an_error_without_effect(const MakePool& make, const std::string& dir) {
  auto pool = make("redis+unix://" + dir + "/nobody.sock", PoolOptions{});
  auto none = pool->acquire(Role::primary, 0, in(milliseconds{30}));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == ErrorCode::disconnected);
  CHECK(none.error().effect == Effect::none);
  CHECK_FALSE(none.error().detail.empty());
}

/// Runs `holds` in a forked child; true if it said so there.
inline bool in_child(const std::function<bool()>& holds) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // a child that hangs must not hang the test
    _exit(holds() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

inline void a_used_pool_is_forked_in_the_child(const MakePool& make, const std::string& url) {
  auto unused = make(url, PoolOptions{});
  auto used = make(url, PoolOptions{});
  const auto id = client_id(leased(*used));
  CHECK(in_child([&] {
    auto lease = used->acquire(Role::primary, 0, in(kLong));
    const bool refused = !lease && lease.error().code == ErrorCode::forked && lease.error().effect == Effect::none;
    used.reset();
    return refused && unused->acquire(Role::primary, 0, in(kLong)).has_value();
  }));
  CHECK(client_id(leased(*used)) == id);
}

inline void check_pool_conformance(const MakePool& make) {
  PrivateRedis server;
  WireProxy proxy(server.socket_path());
  a_lease_goes_back_exactly_once(make, server.url());
  a_full_pool_waits_until_the_deadline(make, server.url());
  what_was_reported_is_not_lent_again(make, server.url());
  what_still_owes_is_not_lent_again(make, proxy);
  nobody_there_is_an_error_without_effect(make, server.dir());
  a_used_pool_is_forked_in_the_child(make, server.url());
}

}  // namespace flashsale::test
