// acl: the least that Redis must allow each kind of process.
#include <fmt/format.h>

#include <array>

#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct Party {
  const char* name;
  const char* what;
  const char* keys;
  const char* commands;
};

// What every connection says, whatever the topology: ROLE, READONLY, ASKING and CLUSTER tell who is where.
constexpr const char* kEverybody =
    "+ping +echo +select +role +readonly +asking +cluster|slots +cluster|myid +time +info +evalsha";

// The commands inside a script count as the user's own. Only workers and controllers load scripts, so a fresh node runs
// nothing that none of them has loaded. EVAL is for a consumer of the list alone, whose beat must not miss on a node
// without scripts, for the BLMOVE behind it would not; what it could write in Lua ends at these commands and keys.
constexpr std::array kParties{
    Party{"gate", "decides purchases; cannot load a script", "~fs:*",
          "+wait +hgetall +hmget +hget +hset +xadd +zadd +zrem +lpush +get +getrange"},
    Party{"worker", "carries orders into the database, rebuilds a sale, publishes the filter", "~fs:*",
          "+script|load +script|exists +wait +hgetall +hmget +hget +hset +hdel +hlen +exists +xadd +xrange +xrevrange "
          "+xlen +xtrim +zadd +zrem +zrange +zscore +zcard +llen +get +getrange +set +unlink +hscan"},
    Party{"controller", "creates, opens, pauses, restocks, reconciles and retires sales", "~fs:*",
          "+script|load +script|exists +wait +hgetall +hmget +hget +hset +hdel +hlen +exists +xadd +xrange +xrevrange "
          "+xlen +xtrim +zadd +zrem +zrange +zscore +zcard +llen +get +getrange +set +unlink +hscan"},
    Party{"consumer", "takes orders out of a sale's list (list mode)",
          "~fs:{*}:orders ~fs:{*}:orders:taken:* ~fs:{*}:consumers",
          "+script|load +eval +blmove +lmove +lrem +llen +zadd +zscore +zrange +zrem"},
};

std::string rules(const Party& party) {
  return fmt::format("resetkeys {} resetchannels -@all {} {}", party.keys, kEverybody, party.commands);
}

int print_rules(Session& session, const std::string& wanted) {
  Json object = Json::object();
  std::string text;
  for (const Party& party : kParties) {
    if (!wanted.empty() && wanted != party.name) continue;
    object[party.name] = rules(party);
    text += fmt::format("# {}\nACL SETUSER flashsale-{} reset on >PASSWORD {}\n", party.what, party.name, rules(party));
  }
  if (object.empty()) usage("acl: the party must be gate, worker, controller or consumer");
  return session.finish(object, text);
}

}  // namespace

void add_acl(CLI::App& app, Run& run) {
  const auto party = std::make_shared<std::string>();
  CLI::App* const verb = app.add_subcommand("acl", "The least that Redis must allow each kind of process");
  verb->add_option("PARTY", *party, "gate, worker, controller or consumer (default: all)");
  verb->callback([party, &run] { run = [party](Session& session) { return print_rules(session, *party); }; });
}

}  // namespace cli
