// What sentinels and cluster nodes say, read without a socket; and what a pool does about nodes that lie.
#include "redis/topology.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "core/keyspace.hpp"
#include "core/scripts.hpp"
#include "engine/script_runner.hpp"
#include "flashsale/redis.hpp"
#include "redis/connection_conformance.hpp"
#include "redis/nodes.hpp"
#include "redis/replica_lag.hpp"
#include "redis/resp.hpp"
#include "support/by_deadline.hpp"
#include "support/hanging_name.hpp"
#include "support/scripted_server.hpp"

namespace flashsale::test {
namespace {

using namespace redis;

Reply reply_of(const std::string& bytes) {
  ReplyDecoder decoder;
  decoder.feed(bytes.data(), bytes.size());
  Reply reply;
  REQUIRE(decoder.next(reply) == ReplyDecoder::Step::reply);
  return reply;
}

std::string integer(std::int64_t value) { return fmt::format(":{}\r\n", value); }
std::string fields(const std::vector<std::string>& words) {
  std::vector<std::string> bulks;
  for (const auto& word : words) bulks.push_back(bulk(word));
  return array(bulks);
}
std::string slots_from(std::int64_t first, std::int64_t last, const std::vector<std::pair<std::string, int>>& nodes) {
  std::vector<std::string> elements{integer(first), integer(last)};
  for (const auto& [host, port] : nodes) elements.push_back(array({bulk(host), integer(port), bulk("id")}));
  return array(elements);
}

const Node kAsked{"asked", 7, {}};

TEST_CASE("a sentinel's replies name the primary, the replicas that are up and the other sentinels") {
  const std::vector<Reply> replies{reply_of(fields({"10.0.0.1", "6379"})),
                                   reply_of(array({fields({"ip", "10.0.0.2", "port", "6380", "flags", "slave"}),
                                                   fields({"ip", "10.0.0.3", "port", "6381", "flags", "s_down,slave"}),
                                                   fields({"ip", "bad host", "port", "1", "flags", "slave"})})),
                                   reply_of(array({fields({"ip", "s2", "port", "26379", "flags", "sentinel"})}))};
  const auto map = read_sentinel(replies, "shop").value();
  REQUIRE(map.shards.size() == 1);
  CHECK(to_string(map.shards[0].primary) == "10.0.0.1:6379");
  REQUIRE(map.shards[0].replicas.size() == 1);
  CHECK(to_string(map.shards[0].replicas[0]) == "10.0.0.2:6380");
  REQUIRE(map.sentinels.size() == 1);
}

TEST_CASE("an id is a short word, or there is none") {
  CHECK(read_id(reply_of(bulk("3fd9"))) == "3fd9");
  for (const std::string& bad : {std::string("-NOPERM no\r\n"), bulk(""), bulk("a b"), bulk(std::string(65, 'a')),
                                 integer(1), std::string("*0\r\n")})
    CHECK(read_id(reply_of(bad)).empty());
}

TEST_CASE("what is no sentinel's reply is an error, whatever it is") {
  const Reply none = reply_of("*0\r\n"), nil = reply_of("*-1\r\n");
  for (const std::string& first : {fields({"h"}), fields({"h", "x"}), fields({"h", "0"}), fields({"h", "65536"}),
                                   fields({"bad host", "1"}), fields({"", "1"}), bulk("h"), integer(1)}) {
    CHECK_FALSE(read_sentinel({reply_of(first), none, none}, "shop"));
  }
  CHECK(read_sentinel({nil, none, none}, "shop").error().detail.find("shop") != std::string::npos);
  CHECK_FALSE(read_sentinel({none}, "shop"));
}

TEST_CASE("CLUSTER SLOTS is a map of shards, and an empty host is the one that was asked") {
  const auto map =
      read_cluster_slots(reply_of(array({slots_from(0, 99, {{"a", 1}, {"b", 2}}), slots_from(100, 200, {{"", 3}}),
                                         slots_from(201, 16'383, {{"a", 1}, {"b", 2}})})),
                         kAsked)
          .value();
  REQUIRE(map.shards.size() == 2);
  CHECK(to_string(shard_of(map, 50)->primary) == "a:1");
  CHECK(to_string(shard_of(map, 16'383)->primary) == "a:1");
  CHECK(to_string(shard_of(map, 150)->primary) == "asked:3");
  CHECK(to_string(shard_of(map, 0)->replicas.at(0)) == "b:2");
  for (const std::string& bad : {array({slots_from(5, 4, {{"a", 1}})}), array({slots_from(-1, 4, {{"a", 1}})}),
                                 array({slots_from(0, 16'384, {{"a", 1}})}), array({slots_from(0, 1, {})}),
                                 array({slots_from(0, 1, {{"a", 0}})}), array({integer(1)}), array({}), bulk("x"),
                                 std::string("-ERR This instance has cluster support disabled\r\n")})
    CHECK_FALSE(read_cluster_slots(reply_of(bad), kAsked));
}

TEST_CASE("a redirect is read, or is none") {
  const auto good = read_redirect("MOVED 3999 10.0.0.1:6381", kAsked);
  REQUIRE(good);
  CHECK(good->slot == 3999);
  CHECK(to_string(good->node) == "10.0.0.1:6381");
  CHECK(to_string(read_redirect("ASK 1 :6381", kAsked)->node) == "asked:6381");
  CHECK(to_string(read_redirect("ASK 1 ::1:6381", kAsked)->node) == "[::1]:6381");
  for (const char* bad : {"MOVED", "MOVED ", "MOVED 1", "MOVED 16384 a:1", "MOVED -1 a:1", "MOVED 1 a", "MOVED 1 a:0",
                          "MOVED 1 a:70000", "MOVED 1 a b:1", "MOVED x a:1"})
    CHECK_FALSE(read_redirect(bad, kAsked));
}

TopologyMap told(const char* teller_id, const char* primary, std::size_t sentinels = 0) {
  TopologyMap made;
  if (*primary != 0) made.shards.push_back({Node{primary, 1, {}}, {}, {}});
  made.sentinels.resize(sentinels);
  made.teller_id = teller_id;
  return made;
}

TEST_CASE("of what several say, only what enough of them agree on counts") {
  Poll poll(0, 2);
  CHECK_FALSE(poll.count(told("1", "a")));
  CHECK_FALSE(poll.count(told("2", "b")));
  CHECK_FALSE(poll.count(told("3", "")));
  const auto agreed = poll.count(told("4", "b"));
  REQUIRE(agreed);
  CHECK(agreed->shards[0].primary.host == "b");
  CHECK(poll.describe() == "a:1, b:1, nobody, b:1");
}

TEST_CASE("a node has one vote under however many addresses it answers, and none if it does not tell who it is") {
  Poll poll(0, 2);
  CHECK_FALSE(poll.count(told("1", "a")));
  CHECK_FALSE(poll.count(told("1", "a")));
  CHECK_FALSE(poll.count(told("", "a")));
  CHECK_FALSE(poll.count(told("", "a")));
  CHECK(poll.count(told("2", "a")));
  Poll newest(0, 2);  // what it said before is void
  CHECK_FALSE(newest.count(told("1", "a")));
  CHECK_FALSE(newest.count(told("1", "b")));
  CHECK_FALSE(newest.count(told("2", "a")));
  CHECK_FALSE(newest.sole());
  Poll alone(0, 2);
  CHECK_FALSE(alone.sole());
  CHECK_FALSE(alone.count(told("1", "a")));
  CHECK_FALSE(alone.count(told("1", "a")));
  CHECK(alone.sole());
}

TEST_CASE("a majority is one of all sentinels that there are, by the URL or by what the sentinels know") {
  Poll by_url(0, 3);
  CHECK_FALSE(by_url.count(told("1", "a", 0)));  // fresh, it has met no other yet
  CHECK(by_url.count(told("2", "a", 0)));
  Poll by_answers(0, 1);
  CHECK_FALSE(by_answers.count(told("1", "a", 4)));
  CHECK_FALSE(by_answers.count(told("2", "a", 2)));
  CHECK_FALSE(by_answers.count(told("2", "a", 4)));
  CHECK(by_answers.count(told("3", "a", 4)));
  CHECK(by_answers.needed() == 3);
}

TEST_CASE("a replica's lag in time is the age of the newest sample that it has reached") {
  const Deadline start = Deadline{} + std::chrono::hours{1};
  const auto at = [&](int ms) { return start + milliseconds{ms}; };
  Trail trail;
  CHECK_FALSE(trail.lag_of(100, at(0)));
  trail.note(at(0), 100);
  trail.note(at(500), 200);
  trail.note(at(1000), 300);
  CHECK(trail.lag_of(300, at(1200))->time == milliseconds{200});
  CHECK(trail.lag_of(300, at(1200))->bytes == 0);
  CHECK(trail.lag_of(999, at(1200))->bytes == 0);
  CHECK(trail.lag_of(299, at(1200))->time == milliseconds{700});
  CHECK(trail.lag_of(299, at(1200))->bytes == 1);
  CHECK(trail.lag_of(100, at(1200))->time == milliseconds{1200});
  CHECK_FALSE(trail.lag_of(99, at(1200)));
  trail.note(at(1500), 10);  // another history: what was known is void
  CHECK(trail.lag_of(300, at(1500))->time == milliseconds{0});
  CHECK_FALSE(trail.lag_of(9, at(1500)));
}

TEST_CASE("adopting a map gives a new generation to what changed its part or is gone, and only to that") {
  Nodes nodes;
  nodes.topology = Topology::sentinel;
  const Node a{"a", 1, {}}, b{"b", 1, {}}, c{"c", 1, {}};
  TopologyMap map;
  map.shards.push_back({a, {b, c}, {}});
  adopt(nodes, map);
  const auto generation = [&](const Node& node) { return nodes.list[find_or_add(nodes, node).value()].generation; };
  const auto was_a = generation(a), was_b = generation(b), was_c = generation(c);
  adopt(nodes, map);
  CHECK(generation(a) == was_a);
  TopologyMap next;
  next.shards.push_back({b, {a}, {}});
  adopt(nodes, next);
  CHECK(generation(a) > was_a);
  CHECK(generation(b) > was_b);
  CHECK(generation(c) > was_c);
  CHECK(nodes.list[nodes.shards[0].primary].address == b);
}

std::string primary_role() { return array({bulk("master"), integer(0), "*0\r\n"}); }
std::string replica_role() { return array({bulk("slave"), bulk("h"), integer(1), bulk("connected"), integer(5)}); }

TEST_CASE("a sentinel that lies is found out by ROLE, and the others are asked") {
  ScriptedServer replica([](const auto& command) { return command[0] == "ROLE" ? replica_role() : "+PONG\r\n"; });
  ScriptedServer primary([](const auto& command) { return command[0] == "ROLE" ? primary_role() : "+PONG\r\n"; });
  const auto sentinel = [](const ScriptedServer& named) {
    return [port = std::to_string(named.port())](const std::vector<std::string>& command) -> std::string {
      if (command[0] == "PING") return "+PONG\r\n";
      return command[1] == "get-master-addr-by-name" ? fields({"127.0.0.1", port}) : "*0\r\n";
    };
  };
  ScriptedServer liar(sentinel(replica)), honest(sentinel(primary));
  auto one = make_pool("redis+sentinel://" + liar.address() + "/shop").value();
  const auto none = one->acquire(Role::primary, 0, in(milliseconds{2000}));
  REQUIRE_FALSE(none);
  CHECK(none.error().detail.find("is a replica") != std::string::npos);
  ScriptedServer deaf([](const auto&) { return std::string(); });
  ScriptedServer garbled([](const auto&) { return std::string("$2147483647\r\n"); });
  // Deaf, garbled and lying ones before the one that is right.
  auto many = make_pool("redis+sentinel://" + deaf.address() + "," + garbled.address() + "," + liar.address() + "," +
                        honest.address() + "/shop?connect_timeout_ms=300")
                  .value();
  CHECK(many->acquire(Role::primary, 0, in(kLong)));
}

const std::uint16_t kSpring = core::slot_of("spring");

/// As Redis answers PING: with what it was given.
std::string pong(const std::vector<std::string>& command) {
  return command.size() > 1 ? bulk(command[1]) : "+PONG\r\n";
}

/// A node of a cluster whose one map is `slots`, and which answers GET by `answer`.
ScriptedServer::Answer cluster_node(std::function<std::string()> slots, std::function<std::string()> answer) {
  return [slots, answer](const std::vector<std::string>& command) -> std::string {
    if (command[0] == "CLUSTER") return command[1] == "MYID" ? bulk("id") : slots();
    if (command[0] == "ROLE") return primary_role();
    if (command[0] == "TIME") return fields({"1", "2"});
    if (command[0] == "GET" || command[0] == "EVALSHA") return answer();
    return command[0] == "PING" ? pong(command) : "+OK\r\n";
  };
}

/// A sentinel called `id` that names `primary` and the sentinels at `others`, asked at each question.
ScriptedServer::Answer sentinel_of(std::string id, const ScriptedServer& primary,
                                   std::function<std::vector<std::uint16_t>()> others) {
  return [=, port = std::to_string(primary.port())](const std::vector<std::string>& command) -> std::string {
    if (command[0] == "PING") return "+PONG\r\n";
    if (command[1] == "MYID") return bulk(id);
    if (command[1] == "get-master-addr-by-name") return fields({"127.0.0.1", port});
    std::vector<std::string> rows;
    if (command[1] == "sentinels")
      for (const auto at : others()) rows.push_back(fields({"ip", "127.0.0.1", "port", std::to_string(at)}));
    return array(rows);
  };
}

ScriptedServer::Answer answers_as_primary() {
  return [](const auto& command) { return command[0] == "ROLE" ? primary_role() : "+PONG\r\n"; };
}

TEST_CASE("sentinels that are gone do not count for ever: a majority of those that there are confirms a primary") {
  ScriptedServer primary(answers_as_primary());
  ScriptedServer gone([](const auto&) { return std::string("-ERR gone\r\n"); });
  std::atomic<bool> moved{false};
  std::vector<std::uint16_t> old(10), now(1);
  std::generate(old.begin(), old.end(), free_port);
  old[0] = gone.port();
  ScriptedServer two(sentinel_of("2", primary, [] { return std::vector<std::uint16_t>(); }));
  ScriptedServer one(sentinel_of("1", primary, [&] { return moved ? now : old; }));
  now[0] = two.port();
  auto pool = make_pool("redis+sentinel://" + one.address() + "/shop").value();
  REQUIRE(pool->acquire(Role::primary, 0, in(kLong)));
  CHECK_FALSE(pool->confirm_primary(0, in(kLong)));  // one of eleven
  moved = true;
  // The second of the two is no seed: it is known by the first one's word alone.
  const auto confirmed = pool->confirm_primary(0, in(kLong));
  CHECK_MESSAGE(confirmed, (confirmed ? "" : confirmed.error().detail));
  const auto asked = gone.heard().size();
  CHECK(pool->confirm_primary(0, in(kLong)));
  CHECK(gone.heard().size() == asked);
}

TEST_CASE("once a majority confirmed a primary, a sentinel that has not heard of it leads nobody back to the old one") {
  const auto server = [](const char* its_name) {
    return [its_name](const auto& command) {
      return command[0] == "ROLE" ? primary_role() : command[0] == "GET" ? bulk(its_name) : std::string("+PONG\r\n");
    };
  };
  ScriptedServer before(server("before")), now(server("now"));
  const auto alone = [] { return std::vector<std::uint16_t>(); };
  ScriptedServer stale(sentinel_of("1", before, alone)), two(sentinel_of("2", now, alone)),
      three(sentinel_of("3", now, alone));
  auto pool =
      make_pool(fmt::format("redis+sentinel://{},{},{}/shop", stale.address(), two.address(), three.address())).value();
  const auto led_to = [&] {
    Lease lease = leased(*pool);
    const RoundTrip trip = lease->roundtrip({{"GET", "name"}}, in(kLong));
    lease.report(Heard::broken);  // so that the next one asks again who is the primary
    return trip.replies.at(0).text;
  };
  CHECK(led_to() == "before");
  REQUIRE(pool->confirm_primary(0, in(kLong)));
  for (int i = 0; i < 3; ++i) {
    CHECK(led_to() == "now");
    std::this_thread::sleep_for(milliseconds{300});  // longer than the pause between two such questions
  }
}

TEST_CASE("a cluster of one node confirms its primary, at however many addresses it is known") {
  std::atomic<int> port{0};
  ScriptedServer node(cluster_node(
      [&] {
        return array({slots_from(0, 16'383, {{"127.0.0.1", port.load()}})});
      },
      [] { return bulk("1"); }));
  port = node.port();
  for (const char* host : {"localhost", "127.0.0.1"}) {
    const auto pool = make_pool(fmt::format("redis+cluster://{}:{}", host, node.port())).value();
    const auto confirmed = pool->confirm_primary(0, in(kLong));
    CHECK_MESSAGE(confirmed, (confirmed ? "" : confirmed.error().detail));
  }
}

TEST_CASE("one sentinel at two addresses is no majority of three, nor one node of a cluster two") {
  ScriptedServer primary(answers_as_primary());
  ScriptedServer sentinel(sentinel_of("1", primary, [] { return std::vector<std::uint16_t>(); }));
  const std::uint16_t closed = free_port();
  std::atomic<int> port{0};
  ScriptedServer node(cluster_node(
      [&] {
        return array({slots_from(0, 16'383, {{"127.0.0.1", port.load()}, {"127.0.0.1", closed}})});
      },
      [] { return bulk("1"); }));
  port = node.port();
  for (const std::string& url :
       {fmt::format("redis+sentinel://{},localhost:{},127.0.0.1:{}/shop", sentinel.address(), sentinel.port(), closed),
        fmt::format("redis+cluster://{},localhost:{}", node.address(), node.port())}) {
    CAPTURE(url);
    auto pool = make_pool(url).value();
    CHECK(pool->acquire(Role::primary, 0, in(kLong)));
    const auto alone = pool->confirm_primary(0, in(kLong));
    REQUIRE_FALSE(alone);
    CHECK(alone.error().detail.find("2 of ") == 0);
  }
}

TEST_CASE("nodes that send a slot around end with the deadline, in words") {
  std::atomic<int> a_port{0}, b_port{0};
  const auto slots = [&] { return array({slots_from(0, 16'383, {{"", a_port.load()}})}); };
  ScriptedServer a(cluster_node(slots, [&] { return fmt::format("-MOVED {} :{}\r\n", kSpring, b_port.load()); }));
  ScriptedServer b(cluster_node(slots, [&] { return fmt::format("-MOVED {} :{}\r\n", kSpring, a_port.load()); }));
  a_port = a.port();
  b_port = b.port();
  auto pool = make_pool("redis+cluster://" + a.address()).value();
  const auto replies = by_deadline(milliseconds{700}, [&](Deadline deadline) {
    return engine::run_commands(*pool, Role::primary, "spring", {{"GET", "x"}}, deadline);
  });
  REQUIRE_FALSE(replies);
  CAPTURE(replies.error().detail);
  CHECK(replies.error().detail.find("MOVED") == std::string::npos);
}

TEST_CASE("an ASK is followed with ASKING before every command, also before SCRIPT LOAD and the call after it") {
  std::atomic<int> a_port{0}, b_port{0};
  std::atomic<int> calls{0};
  const auto slots = [&] { return array({slots_from(0, 16'383, {{"", a_port.load()}})}); };
  ScriptedServer a(cluster_node(slots, [&] { return fmt::format("-ASK {} :{}\r\n", kSpring, b_port.load()); }));
  ScriptedServer b([&](const std::vector<std::string>& command) -> std::string {
    if (command[0] == "EVALSHA") {
      if (calls++ == 0) return "-NOSCRIPT No matching script\r\n";
      return array({bulk(command.back()), bulk("ok")});
    }
    return command[0] == "PING" ? "+PONG\r\n" : command[0] == "TIME" ? fields({"1", "2"}) : "+OK\r\n";
  });
  a_port = a.port();
  b_port = b.port();
  auto pool = make_pool("redis+cluster://" + a.address()).value();
  engine::ScriptCall call{"beat", {"{spring}"}, {""}, -1, 0};
  auto answer = engine::run_script(*pool, "spring", call, in(kLong));
  REQUIRE_MESSAGE(answer.has_value(), (answer ? "" : answer.error().detail));
  CHECK(answer->verdict() == "ok");
  const auto heard = b.heard();
  for (std::size_t i = 0; i < heard.size(); ++i) {
    if (heard[i] == "PING" || heard[i] == "ASKING") continue;
    REQUIRE(i > 0);
    CHECK_MESSAGE(heard[i - 1] == "ASKING", heard[i]);
  }
  const auto loaded = std::count(heard.begin(), heard.end(), "SCRIPT");
  CHECK(static_cast<std::size_t>(loaded) == core::embedded_scripts().count);
}

TEST_CASE("a node that answers garbage, or a length of 2 GiB, is an error within the deadline") {
  for (const char* bytes : {"$2147483648\r\n", "*2147483647\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01",
                            "$-7\r\n", ":x\r\n"}) {
    CAPTURE(bytes);
    ScriptedServer server([&](const auto&) { return std::string(bytes); });
    auto pool = make_pool("redis://:secret@" + server.address()).value();
    const auto none =
        by_deadline(milliseconds{300}, [&](Deadline deadline) { return pool->acquire(Role::primary, 0, deadline); });
    REQUIRE_FALSE(none);
    CHECK(none.error().effect == Effect::none);
    CHECK_FALSE(none.error().detail.empty());
    CHECK(none.error().detail.find("secret") == std::string::npos);
  }
}

TEST_CASE("a name service that hangs is told by the deadline, whatever the topology, and leaves time for other nodes") {
  const HangingName name;
  ScriptedServer primary(answers_as_primary());
  ScriptedServer sentinel(sentinel_of("1", primary, [] { return std::vector<std::uint16_t>(); }));
  for (const auto& [scheme, other, path] : {std::tuple{"redis", std::string(), ""},
                                            {"redis+replicas", primary.address(), ""},
                                            {"redis+sentinel", sentinel.address(), "/shop"},
                                            {"redis+cluster", std::string(), ""}}) {
    CAPTURE(scheme);
    const std::string hangs = fmt::format("{}://:secret@{}:6379", scheme, HangingName::kHost);
    auto pool = make_pool(hangs + path).value();
    const auto none =
        by_deadline(milliseconds{300}, [&](Deadline deadline) { return pool->acquire(Role::primary, 0, deadline); });
    REQUIRE_FALSE(none);
    CAPTURE(none.error().detail);
    CHECK(none.error().effect == Effect::none);
    CHECK(none.error().detail.find(fmt::format("the look-up of {} took too long", HangingName::kHost)) !=
          std::string::npos);
    CHECK(none.error().detail.find("secret") == std::string::npos);
    if (other.empty()) continue;
    CHECK(make_pool(hangs + "," + other + path).value()->acquire(Role::primary, 0, in(kLong)));
  }
}

}  // namespace
}  // namespace flashsale::test
