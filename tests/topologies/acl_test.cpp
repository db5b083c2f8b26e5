#include <doctest/doctest.h>
#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error_reply.hpp"
#include "flashsale/flashsale.hpp"
#include "support/private_redis.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"

namespace flashsale::test {
namespace {

/// What `flashsale acl --json` prints.
std::map<std::string, std::string> printed_rules() {
  std::FILE* const pipe = popen(FLASHSALE_BIN_DIR "/flashsale acl --json", "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  std::array<char, 4096> chunk;
  for (std::size_t got = 0; (got = fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) text.append(chunk.data(), got);
  REQUIRE(pclose(pipe) == 0);
  return nlohmann::json::parse(text).get<std::map<std::string, std::string>>();
}

/// A Redis where the default user is off and the three parties have what the tool prints.
struct Guarded {
  Guarded() {
    for (const auto& [party, rules] : printed_rules()) {
      std::vector<std::string> words{"ACL", "SETUSER", party, "reset", "on", ">secret-" + party};
      std::istringstream all(rules);
      for (std::string word; all >> word;) words.push_back(word);
      const Reply reply = server.command({words.begin(), words.end()});
      REQUIRE_MESSAGE(reply.text == "OK", party, ": ", reply.text);
    }
    dir = (std::filesystem::temp_directory_path() / "flashsale-acl-XXXXXX").string();
    REQUIRE(mkdtemp(dir.data()) != nullptr);
  }
  ~Guarded() {
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  std::string url(const std::string& party) const {
    return fmt::format("redis+unix://{0}:secret-{0}@{1}", party, server.socket_path());
  }
  std::shared_ptr<ConnectionPool> pool(const std::string& party) const { return make_pool(url(party)).value(); }
  std::shared_ptr<OrderSink> sink() const { return open_sink(dir + "/orders.db"); }
  Reply as(const std::string& party, const Command& command) {
    const auto connections = pool(party);
    auto lease = connections->acquire(Role::primary, 0, soon());
    REQUIRE(lease);
    return (*lease)->roundtrip({command}, soon()).replies.at(0);
  }

  PrivateRedis server;
  std::string dir;
};

Call call_of(std::string_view buyer) {
  Call call{SaleId{"spring"}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}};
  call.timeout = milliseconds{20'000};
  return call;
}

TEST_CASE("under the rules that the tool prints a sale lives from its making to its retiring") {
  Guarded redis;
  SaleController controller(redis.pool("controller"), redis.sink());
  Sale sale{SaleId{"spring"}};
  sale.item(ItemId{"shoe"}, 10, 2).hold = milliseconds{600'000};
  REQUIRE(controller.create(sale));
  CHECK(controller.preload(SaleId{"spring"}, ItemId{"shoe"}, "a shoe"));
  REQUIRE(controller.open(SaleId{"spring"}));

  StockGate gate(redis.pool("gate"));
  const auto won = gate.reserve(call_of("ann"));
  REQUIRE_MESSAGE(won.has_value(), (won ? "" : to_string(won.error())));
  CHECK(won->outcome == Outcome::reserved);
  CHECK(gate.resolve({SaleId{"spring"}, BuyerId{"ann"}, RequestId{"click"}})->outcome == Outcome::already_reserved);

  // A gate may not load scripts: where they were flushed it waits for a worker.
  RunningWorker worker(redis.pool("worker"), redis.sink());
  redis.server.command({"SCRIPT", "FLUSH"});
  const auto after = gate.reserve(call_of("bob"));
  REQUIRE_MESSAGE(after.has_value(), (after ? "" : to_string(after.error())));
  CHECK(after->outcome == Outcome::reserved);

  // A lost history: the worker rebuilds the sale under its own rules.
  redis.server.command({"FLUSHALL"});
  CHECK(eventually([&] { return worker->report().reconciles > 0; }, milliseconds{60'000}));
  CHECK(eventually(
      [&] {
        const auto again = gate.reserve(call_of("cid"));
        return again && again->holds_stock();
      },
      milliseconds{60'000}));

  CHECK(controller.restock(SaleId{"spring"}, ItemId{"shoe"}, 5, OperationId{"more"}));
  CHECK(controller.pause(SaleId{"spring"}));
  CHECK(controller.resume(SaleId{"spring"}));
  CHECK(controller.status(SaleId{"spring"}));
  CHECK(controller.info(SaleId{"spring"}));
  CHECK(controller.drain(SaleId{"spring"}));
  CHECK(worker.stop());
  CHECK(OrderWorker(redis.pool("worker"), redis.sink()).drain(soon()));
  CHECK(controller.close(SaleId{"spring"}));
  CHECK(controller.retire(SaleId{"spring"}));
}

TEST_CASE("under the rules that the tool prints a consumer takes a list's orders, and touches nothing else") {
  Guarded redis;
  SaleController controller(redis.pool("controller"));
  Sale sale{SaleId{"spring"}};
  sale.item(ItemId{"shoe"}, 10, 2).queue = QueueMode::list;
  REQUIRE(controller.create(sale));
  REQUIRE(controller.open(SaleId{"spring"}));
  StockGate gate(redis.pool("gate"));
  for (const char* buyer : {"ann", "bob"}) REQUIRE(gate.reserve(call_of(buyer))->outcome == Outcome::reserved);

  redis.server.command({"SCRIPT", "FLUSH"});  // its beat needs none that is loaded, and it may load what else it runs
  OrderQueue queue(redis.pool("consumer"));
  const SaleId spring{"spring"};
  const BuyerId consumer{"packer"};
  const auto first = queue.take(spring, consumer, milliseconds{0}, soon());
  REQUIRE_MESSAGE(first.has_value(), (first ? "" : to_string(first.error())));
  REQUIRE(first->has_value());
  CHECK((*first)->order.buyer == "ann");
  CHECK(queue.ack(spring, consumer, **first, soon()));
  REQUIRE(queue.take(spring, consumer, milliseconds{10}, soon()).value());
  CHECK(queue.take_back(spring, consumer, soon()).value() == 1);
  CHECK(queue.return_dead(spring, milliseconds{60'000}, soon()).value() == 0);

  for (const Command& command :
       {Command{"HGETALL", "fs:{spring}:meta"}, Command{"HSET", "fs:{spring}:buyers", "ann", ""},
        Command{"ZADD", "fs:{spring}:holds", "1", "x"}, Command{"DEL", "fs:{spring}:orders"},
        Command{"LPUSH", "fs:{spring}:orders", "x"}, Command{"FLUSHALL"}, Command{"CONFIG", "GET", "*"}}) {
    CAPTURE(command[0]);
    CHECK(redis.as("consumer", command).text.substr(0, 6) == "NOPERM");
  }
  for (const std::string_view lua :
       {"return redis.call('FLUSHALL')", "return redis.call('HGETALL', 'fs:{spring}:meta')",
        "return redis.call('LPUSH', 'fs:{spring}:orders', 'x')"}) {
    CAPTURE(lua);
    const Reply reply = redis.as("consumer", {"EVAL", lua, "0"});
    CHECK(reply.type == Reply::Type::error);
    CHECK(core::sort_error_reply(reply.text) == core::ErrorReply::denied_in_script);
  }
}

TEST_CASE("no gate, worker or controller may EVAL or FLUSHALL or touch foreign keys, and no gate load a script") {
  Guarded redis;
  for (const std::string party : {"gate", "worker", "controller"}) {
    CAPTURE(party);
    for (const Command& command :
         {Command{"EVAL", "return 1", "0"}, Command{"KEYS", "*"}, Command{"FLUSHALL"}, Command{"FLUSHDB"},
          Command{"CONFIG", "GET", "*"}, Command{"SHUTDOWN"}, Command{"MONITOR"}, Command{"ACL", "LIST"},
          Command{"REPLICAOF", "NO", "ONE"}, Command{"SUBSCRIBE", "x"}, Command{"HGETALL", "foreign"},
          Command{"HSET", "foreign", "a", "b"}, Command{"DEL", "fs:{spring}:meta"}}) {
      CAPTURE(command[0]);
      CHECK(redis.as(party, command).text.substr(0, 6) == "NOPERM");
    }
    for (const Command& command : {Command{"CLUSTER", "SLOTS"}, Command{"CLUSTER", "MYID"}})  // it is no cluster
      CHECK(redis.as(party, command).text.substr(0, 6) != "NOPERM");
  }
  CHECK(redis.as("gate", {"SCRIPT", "LOAD", "return 1"}).text.substr(0, 6) == "NOPERM");
  CHECK(redis.as("gate", {"XTRIM", "fs:{spring}:journal", "MAXLEN", "0"}).text.substr(0, 6) == "NOPERM");
  CHECK(redis.as("gate", {"UNLINK", "fs:{spring}:meta"}).text.substr(0, 6) == "NOPERM");
}

TEST_CASE("a missing rule is named, also one that a script ran into") {
  Guarded redis;
  SaleController controller(redis.pool("controller"), redis.sink());
  REQUIRE(controller.create(Sale{SaleId{"spring"}}.item(ItemId{"shoe"}, 10, 2)));
  REQUIRE(controller.open(SaleId{"spring"}));
  redis.server.command({"ACL", "SETUSER", "gate", "-hmget"});
  const auto in_script = StockGate(redis.pool("gate")).reserve(call_of("ann"));
  REQUIRE_FALSE(in_script);
  CAPTURE(in_script.error().detail);
  CHECK(in_script.error().code == ErrorCode::refused);
  CHECK(in_script.error().detail.find("The rule for HMGET is missing") != std::string::npos);
  CHECK(in_script.error().detail.find("secret") == std::string::npos);
  // By then the entry was written, so nobody can say that nothing was changed.
  redis.server.command({"ACL", "SETUSER", "gate", "+hmget", "-hset"});
  const auto half_done = StockGate(redis.pool("gate")).reserve(call_of("ann"));
  REQUIRE_FALSE(half_done);
  CHECK(half_done.error().code == ErrorCode::refused);
  CHECK(half_done.error().effect == Effect::unknown);
  CHECK(redis.server.command({"XLEN", "fs:{spring}:journal"}).integer > 1);
  redis.server.command({"ACL", "SETUSER", "gate", "+hset", "-evalsha"});
  const auto outside = StockGate(redis.pool("gate")).reserve(call_of("ann"));
  REQUIRE_FALSE(outside);
  CHECK(outside.error().code == ErrorCode::refused);
  CHECK(outside.error().effect == Effect::none);
  CHECK(outside.error().detail.find("'evalsha'") != std::string::npos);
  // A wrong password is told at the deadline, without the password: it may be rotated any moment.
  StockGate locked(make_pool("redis+unix://gate:wrong-secret@" + redis.server.socket_path()).value());
  Call call = call_of("ann");
  call.timeout = milliseconds{300};
  const auto wrong = locked.reserve(call);
  REQUIRE_FALSE(wrong);
  CAPTURE(wrong.error().detail);
  CHECK(wrong.error().code == ErrorCode::refused);
  CHECK(wrong.error().detail.find("AUTH") != std::string::npos);
  CHECK(wrong.error().detail.find("wrong-secret") == std::string::npos);
}

}  // namespace
}  // namespace flashsale::test
