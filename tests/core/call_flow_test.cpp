// Every decision about a call that did not simply succeed, without a socket.
#include "core/call_flow.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "core/error_reply.hpp"
#include "core/scripts.hpp"

using namespace flashsale;
using namespace flashsale::core;

namespace {

Reply error(std::string text) {
  Reply reply;
  reply.type = Reply::Type::error;
  reply.text = std::move(text);
  return reply;
}

Reply answer() {
  Reply reply;
  reply.type = Reply::Type::array;
  return reply;
}

CallFlow leased_flow() {
  CallFlow flow;
  REQUIRE(flow.begin() == Step::lease);
  REQUIRE(flow.leased() == Step::send);
  return flow;
}

}  // namespace

TEST_SUITE("core/call_flow") {
  TEST_CASE("an answer is an answer") { CHECK(leased_flow().replied(answer()) == Step::answer); }

  TEST_CASE("what each error reply leads to, what is told of the node, and that nothing ran") {
    struct Row {
      const char* text;
      Step step;
      std::optional<Heard> heard;
    };
    for (const Row& row :
         {Row{"NOSCRIPT No matching script", Step::load, {}}, Row{"MOVED 1 10.0.0.1:6379", Step::pause, Heard::moved},
          Row{"ASK 1 10.0.0.1:6379", Step::pause, Heard::ask}, Row{"TRYAGAIN Multiple keys", Step::pause, {}},
          Row{"READONLY You can't write", Step::pause, Heard::not_primary},
          Row{"LOADING Redis is loading", Step::pause, Heard::not_primary},
          Row{"MASTERDOWN Link with MASTER is down", Step::pause, Heard::not_primary},
          Row{"CLUSTERDOWN The cluster is down", Step::pause, Heard::not_primary},
          Row{"UNBLOCKED force unblock", Step::pause, Heard::not_primary}, Row{"BUSY Redis is busy", Step::pause, {}},
          Row{"OOM command not allowed", Step::fail, {}}, Row{"NOREPLICAS Not enough good replicas", Step::fail, {}},
          Row{"MISCONF Redis is configured", Step::fail, {}}, Row{"NOPERM this user", Step::fail, {}},
          Row{"NOAUTH Authentication required.", Step::fail, {}}}) {
      CAPTURE(row.text);
      CallFlow flow = leased_flow();
      CHECK(flow.replied(error(row.text)) == row.step);
      CHECK(flow.heard() == row.heard);
      CHECK(flow.effect() == Effect::none);
    }
  }

  TEST_CASE(
      "after an error that nobody knows the script may have run: Redis may have said so, or a proxy that lost it") {
    CallFlow flow = leased_flow();
    CHECK(flow.replied(error("ERR upstream failure")) == Step::fail);
    CHECK(flow.error().code == ErrorCode::protocol);
    CHECK(flow.effect() == Effect::unknown);
  }

  TEST_CASE("no code of Redis reaches a caller: what passes is told in words") {
    for (const char* text : {"MOVED 1 10.0.0.1:6379", "ASK 1 10.0.0.1:6379", "TRYAGAIN Multiple keys", "READONLY You",
                             "LOADING Redis", "MASTERDOWN Link", "CLUSTERDOWN The", "UNBLOCKED force", "NOSCRIPT No"}) {
      CallFlow flow = leased_flow();
      if (flow.replied(error(text)) == Step::load) {
        flow.loaded(answer());
        flow.replied(error(text));
      }
      flow.expired();
      CAPTURE(flow.error().detail);
      CHECK(flow.error().detail.find(std::string(text).substr(0, 4)) == std::string::npos);
      CHECK(flow.error().effect == Effect::none);
    }
  }

  TEST_CASE("a command that nobody there knows did nothing, and is a thing that this server cannot") {
    for (const char* text : {"ERR unknown command 'EVALSHA', with args beginning with: 'abc'",
                             "ERR unknown command `wait`, with args", "ERR unsupported command 'script'"}) {
      CallFlow flow = leased_flow();
      CHECK(flow.replied(error(text)) == Step::fail);
      CHECK(flow.error().code == ErrorCode::unsupported);
      CHECK(flow.error().effect == Effect::none);
    }
  }

  TEST_CASE("a script that is not taken, and one that is forgotten on lease after lease, are no passing trouble") {
    CallFlow old = leased_flow();
    CHECK(old.replied(error("NOSCRIPT No matching script")) == Step::load);
    CHECK(old.loaded(error("ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'")) ==
          Step::fail);
    CHECK(old.error().code == ErrorCode::unsupported);
    CHECK(old.error().effect == Effect::none);

    CallFlow spread = leased_flow();
    for (int lease = 1; lease <= 5; ++lease) {
      CHECK(spread.replied(error("NOSCRIPT No matching script")) == Step::load);
      CHECK(spread.loaded(answer()) == Step::send);
      CHECK(spread.replied(error("NOSCRIPT No matching script")) == (lease < 5 ? Step::pause : Step::fail));
      if (lease < 5) CHECK(spread.resumed() == Step::lease);
      if (lease < 5) CHECK(spread.leased() == Step::send);
    }
    CHECK(spread.error().code == ErrorCode::unsupported);
    CHECK(spread.error().effect == Effect::none);
    CHECK(spread.error().detail.find("spreads commands over several servers") != std::string::npos);
  }

  TEST_CASE("nodes that send a slot around are told of once the deadline has come") {
    CallFlow flow;
    for (int i = 0; i < 8; ++i) {
      CHECK(flow.leased() == Step::send);
      CHECK(flow.replied(error(i % 2 == 0 ? "MOVED 1 a:1" : "ASK 1 b:1")) == Step::pause);
      CHECK(flow.resumed() == Step::lease);
    }
    flow.expired();
    CHECK(flow.error().detail.find("8 times in a row") != std::string::npos);
  }

  TEST_CASE("who reads key by key waits out an ASK: what is missing at the target may only not have come yet") {
    CallFlow flow(Asks::wait_out);
    flow.leased();
    CHECK(flow.replied(error("ASK 1 10.0.0.1:6379")) == Step::pause);
    CHECK_FALSE(flow.heard());
  }

  TEST_CASE("a rule that is missing is named, also the one that a script ran into") {
    CallFlow flow = leased_flow();
    CHECK(flow.replied(error("NOPERM this user has no permissions to run the 'evalsha' command")) == Step::fail);
    CHECK(flow.error().detail.find("'evalsha'") != std::string::npos);
    CHECK(flow.error().detail.find("flashsale acl") != std::string::npos);

    const Script& reserve = script("reserve");
    const auto before = reserve.text.substr(0, reserve.text.find("redis.pcall('XADD'"));
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::string there =
        " script: " + std::string(reserve.sha1) + ", on @user_script:" + std::to_string(line) + ".";
    // Of Redis 7.0; and of 7.2 to 8.0, and Valkey.
    for (const char* const words :
         {"ERR The user executing the script can't run this command or subcommand",
          "ERR ACL failure in script: User gate has no permissions to run the 'xadd' command"}) {
      CallFlow in_script = leased_flow();
      CHECK(in_script.replied(error(words + there)) == Step::fail);
      CHECK(in_script.error().code == ErrorCode::refused);
      CHECK(in_script.effect() == Effect::unknown);
      CHECK(in_script.error().detail.find("The rule for XADD is missing") != std::string::npos);
    }
    // Valkey 9.1 leaves the digest out, so that only the text names the rule.
    CallFlow newest = leased_flow();
    CHECK(newest.replied(error("ERR ACL failure in script: User gate has no permissions to run the 'xadd' command "
                               "script: on @user_script:12.")) == Step::fail);
    CHECK(newest.error().code == ErrorCode::refused);
    CHECK(newest.effect() == Effect::unknown);
    CHECK(newest.error().detail.find("'xadd'") != std::string::npos);
    for (const char* const words :
         {"ERR The user executing the script can't access at least one of the keys mentioned in the command arguments",
          "ERR ACL failure in script: No permissions to access a key"}) {
      CallFlow in_script = leased_flow();
      CHECK(in_script.replied(error(words + there)) == Step::fail);
      CHECK(in_script.error().code == ErrorCode::refused);
      CHECK(in_script.error().detail.find("The rule for") == std::string::npos);
    }
  }

  TEST_CASE("a script is loaded once a lease; a second NOSCRIPT begins anew") {
    CallFlow flow = leased_flow();
    CHECK(flow.replied(error("NOSCRIPT")) == Step::load);
    CHECK(flow.loaded(answer()) == Step::send);
    CHECK(flow.replied(error("NOSCRIPT")) == Step::pause);
    CHECK(flow.resumed() == Step::lease);
    CHECK(flow.leased() == Step::send);
    CHECK(flow.replied(error("NOSCRIPT")) == Step::load);
  }

  TEST_CASE("who may not load a script waits for whoever may") {
    CallFlow flow = leased_flow();
    flow.replied(error("NOSCRIPT"));
    CHECK(flow.loaded(error("NOPERM this user has no permissions to run the 'script|load' command")) == Step::pause);
  }

  TEST_CASE("an error raised inside a script leaves the effect unknown: Redis does not roll back") {
    CallFlow flow = leased_flow();
    CHECK(flow.replied(error("ERR boom script: abc, on @user_script:7.")) == Step::fail);
    CHECK(flow.effect() == Effect::unknown);
    CHECK(flow.error().code == ErrorCode::internal);
  }

  TEST_CASE("Redis that refuses writes is told apart from Redis that refuses us") {
    CallFlow full = leased_flow(), denied = leased_flow();
    full.replied(error("OOM command not allowed when used memory > 'maxmemory'."));
    denied.replied(error("NOPERM no"));
    CHECK(full.writes_refused());
    CHECK_FALSE(denied.writes_refused());
    CHECK(denied.error().code == ErrorCode::refused);
  }

  TEST_CASE("a timeout after a byte left is awaited; the effect is unknown from then on, whatever comes later") {
    CallFlow flow = leased_flow();
    CHECK(flow.stopped({ErrorCode::timed_out, Effect::unknown, "late"}) == Step::await);
    CHECK(flow.heard() == Heard::broken);
    CHECK(flow.stopped({ErrorCode::disconnected, Effect::unknown, "gone"}) == Step::pause);
    CHECK(flow.resumed() == Step::lease);
    CHECK(flow.not_leased({ErrorCode::disconnected, Effect::none, "refused"}) == Step::pause);
    CHECK(flow.expired() == Step::fail);
    CHECK(flow.error().effect == Effect::unknown);
    CHECK(flow.error().code == ErrorCode::timed_out);
  }

  TEST_CASE("a timeout before a byte left, or a connection that breaks then, has no effect and is tried again") {
    CallFlow flow = leased_flow();
    CHECK(flow.stopped({ErrorCode::timed_out, Effect::none, "nothing left"}) == Step::pause);
    CHECK(flow.stopped({ErrorCode::disconnected, Effect::none, "reset"}) == Step::pause);
    CHECK(flow.expired() == Step::fail);
    CHECK(flow.error().effect == Effect::none);
  }

  TEST_CASE("a pool that is closed or was forked is no reason to wait") {
    for (const ErrorCode code : {ErrorCode::closed, ErrorCode::forked}) {
      CallFlow flow;
      CHECK(flow.not_leased({code, Effect::none, ""}) == Step::fail);
      CHECK(flow.error().code == code);
    }
  }
}
