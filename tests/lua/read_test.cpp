// read.lua: what is concluded from, read in one moment where decisions are made.
#include <doctest/doctest.h>

#include <algorithm>

#include "core/error_reply.hpp"
#include "core/read_codec.hpp"
#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

Reply read(const std::vector<Command>& commands) {
  std::vector<std::string> keys, arguments{std::string(kNonce)};
  for (const std::string_view key : core::keys_of(commands)) keys.emplace_back(key);
  core::append_commands(commands, arguments);
  return run_lua("read", keys, arguments);
}

bool same(const Reply& one, const Reply& other) {
  return one.type == other.type && one.text == other.text && one.integer == other.integer &&
         std::equal(one.elements.begin(), one.elements.end(), other.elements.begin(), other.elements.end(), same);
}

Result<core::PrimaryRead> taken(const std::vector<Command>& commands) {
  Reply reply = read(commands);
  REQUIRE_MESSAGE(reply.type == Reply::Type::array, reply.text);
  CHECK(reply.elements[0].text == kNonce);
  return core::take_read(std::move(reply.elements), commands.size());
}

}  // namespace

TEST_SUITE("lua/read") {
  TEST_CASE("each command is answered as it would be plainly, nothing and lists of nothing included") {
    ScriptedSale sale;
    sale.reserve({one("ann", "r1")});
    const auto& keys = sale.keys;
    const std::vector<Command> commands{{"HMGET", keys.meta, "epoch", "nothing"},
                                        {"HGET", keys.buyers, "nobody"},
                                        {"EXISTS", keys.journal},
                                        {"ZSCORE", keys.holds, "#"},
                                        {"XRANGE", keys.journal, "1-1", "+", "COUNT", "1"},
                                        {"HGETALL", keys.info}};
    const auto seen = taken(commands);
    REQUIRE(seen);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      CAPTURE(commands[i][0]);
      CHECK(same(seen->replies[i], redis().command(commands[i])));
    }
    CHECK(seen->now_ms > 0);
    CHECK(seen->replication.find("role:master") != std::string::npos);
    CHECK(taken({})->replies.empty());
  }

  TEST_CASE("a command may have as many words as an audit's page of buyers") {
    ScriptedSale sale;
    Command command{"HMGET", sale.keys.buyers};
    for (int i = 0; i < 1000; ++i) command.push_back("nobody");
    CHECK(taken({command})->replies[0].elements.size() == 1000);
  }

  TEST_CASE("it reads while Redis refuses writes, for memory and for too few replicas") {
    ScriptedSale sale;
    for (const auto& [name, value, usual] :
         {std::tuple{"maxmemory", "1", "0"}, std::tuple{"min-replicas-to-write", "1", "0"}}) {
      CAPTURE(name);
      redis().command({"CONFIG", "SET", name, value});
      CHECK(taken({{"HGET", sale.keys.meta, "epoch"}})->replies[0].text == sale.terms.epoch);
      redis().command({"CONFIG", "SET", name, usual});
    }
  }

  TEST_CASE("a command that the user may not run is named, and a key of another type is an error") {
    ScriptedSale sale;
    redis().command({"ACL", "SETUSER", "default", "-hgetall"});
    const Reply denied = read({{"HGET", sale.keys.meta, "epoch"}, {"HGETALL", sale.keys.meta}});
    redis().command({"ACL", "SETUSER", "default", "+@all"});
    CHECK(core::sort_error_reply(denied.text) == core::ErrorReply::denied);
    CHECK_MESSAGE(denied.text.find("(HGETALL)") != std::string::npos, denied.text);
    CHECK(read({{"HGET", sale.keys.journal, "x"}}).text.find("WRONGTYPE") != std::string::npos);
  }
}
