// watch and doctor: what they see, and how they end.
#include <doctest/doctest.h>
#include <signal.h>

#include <set>

#include "program.hpp"
#include "support/server_programs.hpp"

namespace flashsale::test {
namespace {

TEST_CASE("watch: one look, a line on no terminal; ends with the sale") {
  const Desk desk;
  desk.json({"create", "spring", "--item", "shoe=10:2", "--opens-at", "+0s"});
  CHECK(desk.flashsale({"reserve", "spring", "shoe", "--buyer", "ann", "--quantity", "2"}).code == 0);
  const Ended once = desk.flashsale({"watch", "spring", "--once"});
  CHECK(once.code == 0);
  CHECK(once.out == "spring open, shoe 2 of 10 booked, persisted 0 units, lag 1 entries\n");
  CHECK(desk.json({"watch", "spring", "--once"})["items"]["shoe"]["booked"] == 2);

  const pid_t watching = desk.start("flashsale", {"watch", "spring", "--every", "20ms"});
  const std::string output = std::to_string(watching) + ".out";
  CHECK(eventually([&] { return !desk.read(output).empty(); }));
  desk.json({"work", "--drain"});
  desk.json({"close", "spring"});
  const Ended ended = desk.finish(watching);
  CHECK(ended.code == 0);
  CHECK(ended.out.find("spring ended, shoe 2 of 10 booked, persisted 2 units, lag 0 entries\n") != std::string::npos);

  desk.json({"create", "summer", "--item", "shoe=10:2"});
  const pid_t stopped = desk.start("flashsale", {"watch", "summer"});
  CHECK(eventually([&] { return !desk.read(std::to_string(stopped) + ".out").empty(); }));
  kill(stopped, SIGINT);
  CHECK(desk.finish(stopped).code == 0);
  CHECK(desk.flashsale({"watch", "nowhere"}).code == 4);
}

std::set<std::string> findings(const Ended& ended) {
  std::set<std::string> settings;
  const Json report = ended.json();
  for (const auto& finding : report["findings"]) settings.insert(finding["setting"].get<std::string>());
  return settings;
}

TEST_CASE("doctor names what endangers a sale") {
  Desk desk({"--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"});
  const Ended ended = desk.flashsale({"doctor", "--json"});
  CHECK(ended.code == 3);
  CHECK(findings(ended) == std::set<std::string>{"maxmemory-policy", "appendonly", "connected replicas",
                                                 "min-replicas-to-write", "repl-backlog-ttl"});
  const Ended plain = desk.flashsale({"doctor"});
  CHECK(plain.out.find("maxmemory-policy = allkeys-lru") != std::string::npos);
  // Valkey answers INFO as Redis 7.2.4 too.
  const ServerKind kind = kind_of(desk.redis);
  CHECK(ended.json()["server"] == (kind.is_valkey() ? "Valkey" : "Redis"));
  const std::string named = (kind.is_valkey() ? ": Valkey " : ": Redis ") + std::to_string(kind.major) + ".";
  CHECK(plain.out.find(named) != std::string::npos);

  desk.redis.command({"CONFIG", "SET", "appendonly", "yes"});
  desk.redis.command({"CONFIG", "SET", "appendfsync", "no"});
  CHECK(findings(desk.flashsale({"doctor", "--json"})).count("appendfsync") == 1);
  // An empty server's memory is each version's own: so the bound is what it uses.
  const std::string memory = desk.redis.command({"INFO", "memory"}).text;
  const auto used = memory.find("used_memory:") + std::string_view("used_memory:").size();
  desk.redis.command({"CONFIG", "SET", "maxmemory", memory.substr(used, memory.find('\r', used) - used)});
  CHECK(findings(desk.flashsale({"doctor", "--json"})).count("used_memory") == 1);
}

TEST_CASE("doctor finds nothing in a Redis that is as it should be, and names a replica") {
  PrivateRedis primary({"--appendonly", "yes", "--repl-backlog-ttl", "0", "--min-replicas-to-write", "1",
                        "--min-replicas-max-lag", "1", "--repl-diskless-sync-delay", "0"},
                       Tcp::yes);
  PrivateRedis replica({"--appendonly", "yes", "--repl-backlog-ttl", "0"}, Tcp::yes);
  replica.replica_of(primary);
  const Desk desk;
  const auto healthy = [&] { return desk.flashsale({"doctor", "--redis", primary.url()}).code == 0; };
  CHECK(eventually(healthy));  // the primary counts a replica a moment after the link is up
  const Ended second = desk.flashsale({"doctor", "--redis", replica.tcp_url(), "--json"});
  CHECK(second.code != 0);
}

TEST_CASE("doctor needs INFO only, and says what it could not read") {
  Desk desk;
  desk.redis.command({"ACL", "SETUSER", "nurse", "on", ">word", "+info", "+ping", "+role", "+select", "+auth"});
  const std::string url = "redis+unix://nurse:word@" + desk.redis.socket_path();
  const Ended ended = desk.flashsale({"doctor", "--redis", url, "--json"});
  CHECK(ended.code == 3);
  CHECK(ended.json()["notes"].dump().find("CONFIG GET is not allowed") != std::string::npos);
  CHECK(ended.out.find("word@") == std::string::npos);
  CHECK(desk.flashsale({"doctor", "--redis", "redis://127.0.0.1:1", "--timeout", "100ms"}).code == 4);
}

}  // namespace
}  // namespace flashsale::test
