// Guards, fence and cuts of time: what every script that writes to a sale checks before anything else.
#include <doctest/doctest.h>

#include <functional>
#include <iterator>

#include "core/error_reply.hpp"
#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

struct Attempt {
  std::string name;
  std::vector<std::string> keys;
  std::vector<std::string> arguments;
  std::string verdict() const { return test::verdict(run_lua(name, keys, arguments)); }
};

/// One good call of each script that a gate or a controller sends to a sale. ARGV begins alike in all of them:
/// epoch, uuid, not_after_ms, nonce.
std::vector<Attempt> attempts(ScriptedSale& sale) {
  const auto reserve = sale.reserve_command({one("ann", "r1")});
  std::vector<std::string> arguments(reserve.begin() + 6, reserve.end());
  std::vector<std::string> look(arguments.begin(), arguments.begin() + 8);
  look[5].resize(4);
  std::vector<std::string> retire = sale.control_arguments("");
  retire.resize(5);
  std::vector<std::string> credit = sale.head_arguments();
  credit.insert(credit.end(), {"winner", "0 1-1"});
  const auto move = sale.move_command(Verb::confirm, {one("winner", "r1")});
  return {{"reserve", sale.control_keys(), arguments},
          {"look", {sale.keys.meta, sale.keys.buyers}, look},
          {"move", sale.control_keys(), {move.begin() + 6, move.end()}},
          {"expire", sale.expire_keys(), sale.head_arguments()},
          {"credit", {sale.keys.meta, sale.keys.buyers}, credit},
          {"control", sale.control_keys(), sale.control_arguments("pause")},
          {"restock", sale.restock_keys(), sale.restock_arguments("1", "1", "a")},
          {"retire", sale.retire_keys(), retire}};
}

bool writes_an_entry(const Attempt& attempt) {
  for (const char* name : {"look", "retire", "credit", "expire"})  // expire: no hold of the sale is due
    if (attempt.name == name) return false;
  return true;
}

void check_all(ScriptedSale& sale, const std::string& expected) {
  const auto before = sale.everything();
  for (const Attempt& attempt : attempts(sale)) {
    INFO(attempt.name);
    CHECK(attempt.verdict() == expected);
  }
  CHECK(sale.everything() == before);
}

}  // namespace

TEST_CASE("every script is fenced once the server's history is another one") {
  ScriptedSale sale;
  redis().command({"DEBUG", "CHANGE-REPL-ID"});
  check_all(sale, "fenced");
}

TEST_CASE("a script that may not write its entry says which rule is missing, and writes nothing") {
  ScriptedSale sale;
  sale.reserve({one("winner", "r1")});
  const auto before = sale.everything();
  redis().command({"ACL", "SETUSER", "default", "-xadd"});
  for (const Attempt& attempt : attempts(sale)) {
    if (!writes_an_entry(attempt)) continue;
    INFO(attempt.name);
    const std::string said = attempt.verdict();
    CAPTURE(said);
    CHECK(core::sort_error_reply(said) == core::ErrorReply::denied);
    CHECK(said.find("XADD") != std::string::npos);
  }
  redis().command({"ACL", "SETUSER", "default", "+@all"});
  CHECK(sale.everything() == before);
}

TEST_CASE("what frees memory runs when memory is full: the journal is trimmed, and a closed sale is removed") {
  ScriptedSale sale;
  sale.reserve({one("winner", "r1")});
  sale.control("close");
  const auto& keys = sale.keys;
  redis().command({"CONFIG", "SET", "maxmemory", "1"});
  std::vector<std::string> settle = sale.head_arguments();
  settle.insert(settle.end(), {"1", "2"});
  CHECK(verdict(run_lua("settle", {keys.meta, keys.buyers, keys.journal}, settle)) == "ok");
  std::vector<std::string> retire = sale.control_arguments("");
  retire.resize(4);
  for (const char* const word : {"1-2", "retired"}) {
    retire.resize(4);
    retire.push_back(word);
    CHECK(verdict(run_lua("retire", sale.retire_keys(), retire)) == "ok");
  }
  redis().command({"CONFIG", "SET", "maxmemory", "0"});
  CHECK(redis().command({"EXISTS", keys.meta, keys.buyers, keys.journal}).integer == 0);
}

TEST_CASE("no script writes on a replica that may be written, for it has its primary's very history") {
  ScriptedSale sale;
  sale.reserve({one("winner", "r1")});
  redis().command({"SET", sale.keys.winners, "1 1 1 "});
  const auto before = sale.everything();
  const auto& keys = sale.keys;
  std::vector<std::string> settle = sale.head_arguments();
  settle.insert(settle.end(), {"1", "1"});
  std::vector<Attempt> all = attempts(sale);
  const std::string now = std::to_string(kFarAway), nonce(kNonce);
  all.insert(
      all.end(),
      {{"settle", {keys.meta, keys.buyers, keys.journal}, settle},
       {"create", sale.create_keys(), sale.create_arguments(sale.terms.uuid)},
       {"read", {keys.meta}, {nonce, "2", "HGETALL", keys.meta}},
       {"preload", {keys.info}, {nonce, "phone", "red"}},
       {"ack", {keys.taken("packer")}, {nonce, "element"}},
       {"probe", {keys.info}, {nonce, "#", "word"}},
       {"mark", {keys.meta}, {nonce, sale.terms.epoch, sale.terms.uuid}},
       {"publish", {keys.meta, keys.buyers, keys.winners}, {nonce, sale.terms.uuid, sale.terms.epoch, "2", "1 1 2 "}},
       {"beat", {keys.consumers}, {nonce, "packer"}},
       {"give_back", {keys.consumers, keys.orders, keys.taken("packer")}, {nonce, "packer", "0"}},
       {"rebuild", {keys.meta, keys.buyers, keys.holds, keys.ops, keys.winners}, {nonce, "", "0", "clear"}},
       {"reopen_list", {keys.meta, keys.buyers}, {nonce, now}},
       {"close_gate", {keys.meta}, {nonce, "2", "uuid", sale.meta("hist")}},
       {"reopen", {keys.meta, keys.buyers, keys.journal}, {nonce, "", sale.meta("hist"), "2", "0", now}}});
  const core::ScriptTable scripts = core::embedded_scripts();
  CHECK(all.size() == static_cast<std::size_t>(std::distance(scripts.begin(), scripts.end())));
  redis().command({"CONFIG", "SET", "replica-read-only", "no"});
  redis().command({"REPLICAOF", "127.0.0.1", "1"});  // nobody is there, and it is a replica all the same
  for (const Attempt& attempt : all) {
    INFO(attempt.name);
    const bool opens_or_closes = attempt.name == "close_gate" || attempt.name == "reopen";
    // A look writes nothing: it says `stale` where it hears nothing of the primary.
    const bool is_told = attempt.name == "look" || opens_or_closes;
    const std::string verdict = attempt.verdict();
    if (!is_told) CHECK(verdict == "not_primary");
    if (opens_or_closes) CHECK((verdict == "moved" || verdict == "torn"));
  }
  redis().command({"REPLICAOF", "NO", "ONE"});
  CHECK(sale.everything() == before);
}

TEST_CASE("every script is fenced where the sale's history is only the server's second one, as after a promotion") {
  PrivateRedis primary({}, Tcp::yes), replica({}, Tcp::yes);
  replica.replica_of(primary);
  const std::string before = primary.command({"INFO", "replication"}).text;
  const std::string hist = before.substr(before.find("\nmaster_replid:") + 15, 40);
  replica.command({"REPLICAOF", "NO", "ONE"});
  replica.command({"HSET", "m", "layout", "2", "hist", hist, "rec", "", "epoch", "1", "uuid", "u", "last_ms", "1"});
  replica.command({"HSET", "b", "#", "1"});
  const std::string info = replica.command({"INFO", "replication"}).text;
  REQUIRE(info.find("\nmaster_replid2:" + hist) != std::string::npos);
  const Reply reply = replica.command(
      {"EVAL", core::script("control").text, "3", "m", "b", "j", "1", "u", "9999999999999", "n", "pause", "", ""});
  CHECK(verdict(reply) == "fenced");
}

TEST_CASE("every script is fenced while a reconcile is under way") {
  ScriptedSale sale;
  sale.set_meta("rec", "2 somebody");
  check_all(sale, "fenced");
}

TEST_CASE("every script is fenced where one of meta and buyers is gone; no sale is unknown by half") {
  ScriptedSale sale;
  SUBCASE("meta") { redis().command({"DEL", sale.keys.meta}); }
  SUBCASE("buyers") { redis().command({"DEL", sale.keys.buyers}); }
  SUBCASE("the guard in buyers") { redis().command({"HDEL", sale.keys.buyers, "#"}); }
  SUBCASE("buyers are of another epoch") { redis().command({"HSET", sale.keys.buyers, "#", "2"}); }
  check_all(sale, "fenced");
}

TEST_CASE("every script finds a sale absent only where both meta and buyers are gone") {
  ScriptedSale sale;
  redis().command({"DEL", sale.keys.meta, sale.keys.buyers});
  check_all(sale, "absent");
}

TEST_CASE("every script leaves a layout alone that it does not know") {
  ScriptedSale sale;
  sale.set_meta("layout", "1");
  check_all(sale, "layout");
}

TEST_CASE("every script is stale for another epoch or another sale of the same id") {
  ScriptedSale sale;
  SUBCASE("epoch") { sale.terms.epoch = "2"; }
  SUBCASE("uuid") { sale.terms.uuid = "uuid-2"; }
  check_all(sale, "stale");
}

TEST_CASE("every script is late after its caller's deadline, and for a deadline that is no number") {
  ScriptedSale sale;
  const auto before = sale.everything();
  for (Attempt attempt : attempts(sale)) {
    for (const std::string not_after :
         {"1", "0", "nan", "inf", "1e18", "-1", "", "0x7fffffffffff", " 9", "9999999999999 "}) {
      attempt.arguments[2] = not_after;
      INFO(attempt.name << " with '" << not_after << "'");
      CHECK(attempt.verdict() == "late");
    }
  }
  CHECK(sale.everything() == before);
}

TEST_CASE("every script is late by the sale's own clock where the server's was set back") {
  ScriptedSale sale;
  sale.set_meta("last_ms", "99999999999999");
  for (const Attempt& attempt : attempts(sale)) {
    INFO(attempt.name);
    if (attempt.name != "retire") CHECK(attempt.verdict() == "late");
  }
}

TEST_CASE("every script that writes an entry is fenced where the journal is gone, and writes nothing at all") {
  ScriptedSale sale;
  sale.reserve({one("winner", "r1")});
  redis().command({"DEL", sale.keys.journal});
  const auto before = sale.everything();
  for (const Attempt& attempt : attempts(sale)) {
    INFO(attempt.name);
    if (writes_an_entry(attempt)) CHECK(attempt.verdict() == "fenced");
  }
  CHECK(sale.everything() == before);
}

TEST_CASE("every script that writes an entry is fenced where the journal is ahead of the sale") {
  ScriptedSale sale;
  sale.reserve({one("winner", "r1")});
  redis().command({"XADD", sale.keys.journal, "7-0", "h", "another"});
  const auto before = sale.everything();
  for (const Attempt& attempt : attempts(sale)) {
    INFO(attempt.name);
    if (writes_an_entry(attempt)) CHECK(attempt.verdict() == "fenced");
  }
  CHECK(sale.everything() == before);
}

TEST_CASE("a sale that is put back to less than its caller has heard of is fenced, from then on for everybody") {
  ScriptedSale sale;
  sale.reserve({one("winner", "r1")});
  const auto seq = sale.reserve({one("bob", "r1")}).at.seq;
  sale.terms.seen_seq = seq;
  CHECK(sale.reserve({one("carl", "r1")}).verdict == core::Verdict::ok);
  sale.terms.seen_seq = seq + 2;
  const auto before = sale.everything();
  SUBCASE("noticed by reserve") { CHECK(sale.reserve({one("dora", "r1")}).verdict == core::Verdict::fenced); }
  SUBCASE("noticed by confirm") {
    CHECK(sale.move(Verb::confirm, {one("winner", "r1")}).verdict == core::Verdict::fenced);
  }
  SUBCASE("noticed by look, which cannot write") {
    CHECK(sale.look({one("winner", "r1")}).verdict == core::Verdict::fenced);
    CHECK(sale.everything() == before);
    return;
  }
  sale.terms.seen_seq = 0;
  CHECK(sale.reserve({one("dora", "r1")}).verdict == core::Verdict::fenced);
  CHECK(sale.look({one("winner", "r1")}).verdict == core::Verdict::fenced);
}

TEST_CASE("a seq that is no number is refused, and fences nothing") {
  ScriptedSale sale;
  const auto before = sale.everything();
  for (const Attempt& good : attempts(sale)) {
    if (good.name != "reserve" && good.name != "look" && good.name != "move") continue;
    for (const std::string seen : {"", "nan", "inf", "-1", "1e9", " 1", "0x7"}) {
      Attempt attempt = good;
      attempt.arguments[4] = seen;
      INFO(attempt.name << " with '" << seen << "'");
      CHECK(run_lua(attempt.name, attempt.keys, attempt.arguments).type == Reply::Type::error);
    }
  }
  CHECK(sale.everything() == before);
}
