// The simulated Redis against the real one: the same commands and the same scripts must have the same replies and leave
// the same data. Without this the simulator would prove what it itself believes.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>

#include "core/keyspace.hpp"
#include "core/reserve_codec.hpp"
#include "core/scripts.hpp"
#include "simulation/node.hpp"
#include "simulation/world.hpp"
#include "support/private_redis.hpp"
#include "util/random.hpp"

namespace flashsale::simulation {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;
constexpr std::int64_t kFarAway = 9'999'999'999'999;
constexpr int kPlainCommands = 30'000;
constexpr int kBatches = 3'000;

/// A reply as text. What differs by nature is masked: times, and the ids of histories.
std::string shown(const Reply& reply) {
  const auto mask = [](const std::string& text) {
    std::string masked;
    for (std::size_t i = 0; i < text.size();) {
      std::size_t end = i;
      while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
      if (end - i == 13) {
        masked += "<time>";
      } else {
        if (end == i) ++end;
        masked += text.substr(i, end - i);
      }
      i = end;
    }
    return masked;
  };
  switch (reply.type) {
    case Reply::Type::nil:
      return "nil";
    case Reply::Type::integer:
      return mask(std::to_string(reply.integer));
    case Reply::Type::text:
      return "\"" + mask(reply.text) + "\"";
    case Reply::Type::error:  // only its code is ours to compare
      return "error " + reply.text.substr(0, reply.text.find(' '));
    case Reply::Type::array:
      break;
  }
  std::string all = "[";
  for (const Reply& element : reply.elements) all += shown(element) + " ";
  return all + "]";
}

class Pair {
 public:
  Pair() {
    node_.promote(std::string(40, 'a'));
    for (const core::Script& script : core::embedded_scripts()) run(Words{"SCRIPT", "LOAD", std::string(script.text)});
  }

  /// Runs it on both, and requires the same reply.
  Reply run(const Words& words) {
    Reply simulated = node_.serve(words, kNowMs);
    const Reply real = server_.command({words.begin(), words.end()});
    if (shown(simulated) != shown(real)) {
      std::string command;
      for (const std::string& word : words) command += word.substr(0, 80) + " ";
      FAIL("simulated " << shown(simulated) << "\nreal      " << shown(real) << "\nof        " << command);
    }
    return simulated;
  }
  Reply run(const Command& command) { return run(Words(command.begin(), command.end())); }

 private:
  LuaHost lua_;
  Node node_{lua_, real_scripts(), std::string(40, 'b')};
  test::PrivateRedis server_;
};

Words draw_plain(util::Random& random) {
  const std::string a = std::to_string(random.below(6)), b = std::to_string(random.below(6));
  const std::string id = std::to_string(1 + random.below(3)) + "-" + std::to_string(random.below(200));
  const std::array<Words, 26> commands{{{"HSET", "hash", a, b},
                                        {"HGET", "hash", a},
                                        {"HMGET", "hash", a, b},
                                        {"HDEL", "hash", a},
                                        {"HLEN", "hash"},
                                        {"HSET", "stream", a, b},
                                        {"XADD", "stream", "NOMKSTREAM", id, "f", a},
                                        {"XADD", "stream", id, "f", a, "g", b},
                                        {"XRANGE", "stream", id, "+", "COUNT", "3"},
                                        {"XRANGE", "stream", "(" + id, "+"},
                                        {"XREVRANGE", "stream", "+", "-", "COUNT", "2"},
                                        {"XLEN", "stream"},
                                        {"XTRIM", "stream", "MINID", id},
                                        {"ZADD", "zset", a, "m" + b},
                                        {"ZADD", "zset", "LT", a, "m" + b, b, "m" + a},
                                        {"ZREM", "zset", "m" + a},
                                        {"ZSCORE", "zset", "m" + a},
                                        {"ZCARD", "zset"},
                                        {"ZRANGE", "zset", "-inf", a, "BYSCORE", "LIMIT", "0", "2"},
                                        {"ZRANGE", "zset", "-inf", b, "BYSCORE", "LIMIT", a, "3"},
                                        {"ZRANGE", "zset", "0", "-1"},
                                        {"LPUSH", "list", a, b},
                                        {"LLEN", "list"},
                                        {"LMOVE", "list", "other", "RIGHT", "LEFT"},
                                        {"LREM", "other", "-1", a},
                                        {"EXISTS", "hash", "list", "nothing"}}};
  if (random.below(300) == 0)
    return {"UNLINK", std::array<const char*, 4>{"hash", "stream", "zset", "list"}[random.below(4)]};
  return commands[random.below(commands.size())];
}

TEST_CASE("the simulated Redis answers thirty thousand random commands as the real one does") {
  Pair pair;
  util::Random random(7);
  for (int i = 0; i < kPlainCommands; ++i) pair.run(draw_plain(random));
}

TEST_CASE("every script has the same replies and leaves the same sale in Lua 5.1 and in the real Redis") {
  Pair pair;
  util::Random random(11);
  const std::string id = "spring", far_away = std::to_string(kFarAway);
  const core::Keys keys(id);
  core::SaleTerms terms(id);
  terms.uuid = "uuid-1";
  terms.epoch = "1";
  terms.items = {"phone", "case"};
  pair.run(Words{"EVALSHA",   std::string(core::script("create").sha1),
                 "5",         keys.meta,
                 keys.buyers, keys.journal,
                 keys.holds,  keys.ops,
                 "1",         terms.uuid,
                 far_away,    "nonce",
                 "open",      "0",
                 "0",         "0",
                 "10",        "0",
                 "4",         "journal",
                 "sink-1",    "phone",
                 "300",       "3",
                 "case",      "9000",
                 "2"});  // a restocked item never sells out: reopening is a matter of time
  core::BatchEncoder encoder;
  for (int i = 0; i < kBatches; ++i) {
    std::vector<std::string> words;
    std::vector<core::Asked> asked;
    const std::size_t count = 1 + random.below(6);
    words.reserve(4 * count);
    for (std::size_t j = 0; j < count; ++j) {
      words.push_back(fmt::format("buyer-{}", random.below(200)));
      words.push_back(fmt::format("request-{}", random.below(6)));
      asked.push_back({words[words.size() - 2], words.back(), random.below(2) == 0 ? "phone" : "case", "payload",
                       static_cast<std::uint32_t>(1 + random.below(3))});
    }
    const std::string nonce = std::to_string(i);
    switch (random.below(6)) {
      case 0:
        pair.run(encoder.look(terms, asked, kFarAway, nonce).front());
        break;
      case 1:
        pair.run(
            encoder.move(terms, random.below(2) == 0 ? Verb::confirm : Verb::release, asked, kFarAway, nonce).front());
        break;
      case 2:
        pair.run(Words{"EVALSHA", std::string(core::script("restock").sha1), "4", keys.meta, keys.buyers, keys.journal,
                       keys.ops, "1", terms.uuid, far_away, nonce, "2", "2", fmt::format("op-{}", random.below(30))});
        break;
      default:
        pair.run(encoder.reserve(terms, asked, kFarAway, nonce).front());
    }
    pair.run(Words{"HGET", keys.buyers, words.front()});
    pair.run(Words{"XREVRANGE", keys.journal, "+", "-", "COUNT", "1"});
  }
  for (const char* field : {"seq", "link", "booked:1", "booked:2", "sold_seq:1", "total:1", "state"})
    pair.run(Words{"HGET", keys.meta, field});
}

}  // namespace
}  // namespace flashsale::simulation
