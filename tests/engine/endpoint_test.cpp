// What is said of what decides a sale, before anything is sold.
#include "engine/endpoint.hpp"

#include <doctest/doctest.h>

#include "core/keyspace.hpp"
#include "flashsale/flashsale.hpp"
#include "support/hand_carried_pool.hpp"
#include "support/private_redis.hpp"
#include "support/served_sale.hpp"

namespace flashsale::engine {
namespace {

using test::PrivateRedis;
using test::soon;

constexpr SaleId kSale{"spring"};

Reply text(std::string value) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = std::move(value);
  return reply;
}

Reply error(std::string value) {
  Reply reply = text(std::move(value));
  reply.type = Reply::Type::error;
  return reply;
}

EndpointGlance direct_glance() {
  return {"word", "# Server\r\nrun_id:abc\r\n", text("word"), text("# Server\r\nrun_id:abc\r\n")};
}

/// A list: such a sale needs no database.
Sale list_sale() {
  Sale sale{kSale};
  sale.item(ItemId{"shoe"}, 3, 1).queue = QueueMode::list;
  return sale;
}

TEST_CASE("a server is called by its own name and version") {
  CHECK(to_string(read_server("# Server\r\nredis_version:7.0.15\r\n")) == "Redis 7.0.15");
  CHECK(to_string(read_server("# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n")) ==
        "Valkey 8.0.1");
}

TEST_CASE("whatever shows that plain commands are answered by another is seen, and nothing else is taken for it") {
  CHECK(seen_between(direct_glance()) == "");
  EndpointGlance moving = direct_glance();
  moving.plain_word = error("ASK 1 127.0.0.1:7001");
  CHECK(seen_between(moving) == "");
  EndpointGlance denied = direct_glance();
  denied.plain_server = error("NOPERM User gate has no permissions to run the 'info' command");
  CHECK(seen_between(denied) == "");

  EndpointGlance past = direct_glance();
  past.plain_word = text("an older word");
  CHECK(seen_between(past).find("from the past") != std::string::npos);
  EndpointGlance other = direct_glance();
  other.plain_server = text("# Server\r\nrun_id:xyz\r\n");
  CHECK(seen_between(other).find("INFO is answered by another") != std::string::npos);
  EndpointGlance without = direct_glance();
  without.plain_server = error("ERR unknown command 'INFO'");
  CHECK(seen_between(without).find("does not know INFO") != std::string::npos);
}

TEST_CASE("a server that is reached directly is found so, and nothing of the look is left there") {
  PrivateRedis redis;
  auto pool = make_pool(redis.url()).value();
  const auto found = find_endpoint(*pool, kSale, soon());
  REQUIRE_MESSAGE(found, to_string(found.error()));
  CHECK(found->is_direct());
  CHECK(found->knows_wait);
  CHECK((found->server == "Redis" || found->server == "Valkey"));
  CHECK(found->version.find('.') != std::string::npos);
  CHECK(redis.command({"DBSIZE"}).integer == 0);
  CHECK(metrics_text().find("flashsale_redis_endpoints_total") == std::string::npos);
  SaleController sales(pool, nullptr);
  REQUIRE(sales.create(list_sale()));
  const std::string labels = "server=\"" + found->server + "\",version=\"" + found->version + "\",path=\"direct\"";
  CHECK(metrics_text().find("flashsale_redis_endpoints_total{" + labels + "} 1") != std::string::npos);
}

TEST_CASE("a create that lacks INFO in scripts, or another rule, says which, with effect none and nothing written") {
  PrivateRedis redis;
  for (const char* const rule : {"info", "evalsha", "hset"}) {
    CAPTURE(rule);
    redis.command({"ACL", "SETUSER", "poor", "reset", "on", ">secret", "~*", "+@all", std::string("-") + rule});
    auto pool = make_pool("redis+unix://poor:secret@" + redis.socket_path()).value();
    const auto made = SaleController(pool, nullptr).create(list_sale());
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::refused);
    CHECK(made.error().effect == Effect::none);
    std::string detail = made.error().detail;
    for (char& c : detail) c = static_cast<char>(std::tolower(c));
    CAPTURE(detail);
    CHECK(detail.find(rule) != std::string::npos);
    CHECK(redis.command({"DBSIZE"}).integer == 0);
  }
}

TEST_CASE("a create says unsupported, with effect none, of what cannot run its scripts or does not keep them") {
  struct Row {
    const char* to_script_load;
    const char* to_evalsha;
    const char* word;
  };
  for (const Row& row : {Row{"ERR Error compiling script (new function): user_script:1: unexpected symbol near '#'",
                             "NOSCRIPT No", "not taken"},
                         Row{"ERR unknown command 'SCRIPT'", "NOSCRIPT No", "unknown command"},
                         Row{"", "ERR unknown command 'EVALSHA'", "unknown command"},
                         Row{"", "ERR This Redis command is not allowed from script script: 12, on @user_script:12.",
                             "INFO allowed in scripts"},
                         Row{"", "NOSCRIPT No matching script", "spreads commands over several servers"}}) {
    CAPTURE(row.to_evalsha);
    const auto pool = std::make_shared<test::HandCarriedPool>([&](const std::vector<Command>& commands) {
      RoundTrip trip;
      for (const Command& command : commands) {
        const char* const says = command[0] == "EVALSHA" ? row.to_evalsha : row.to_script_load;
        trip.replies.push_back(*says == '\0' ? text("OK") : error(says));
      }
      return trip;
    });
    const auto made = SaleController(pool, nullptr).create(list_sale());
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::unsupported);
    CHECK(made.error().effect == Effect::none);
    CHECK_MESSAGE(made.error().detail.find(row.word) != std::string::npos, made.error().detail);
  }
}

TEST_CASE("a sale that is to wait for replicas is not made where nobody knows WAIT") {
  PrivateRedis redis;
  const auto pool = std::make_shared<test::HandCarriedPool>([&](const std::vector<Command>& commands) {
    RoundTrip trip = test::carry_to(redis, commands);
    if (commands[0][0] == "WAIT") trip.replies[0] = error("ERR unknown command 'WAIT'");
    return trip;
  });
  Sale sale = list_sale();
  sale.replicas = 1;
  const auto made = SaleController(pool, nullptr).create(sale);
  REQUIRE_FALSE(made);
  CHECK(made.error().code == ErrorCode::unsupported);
  CHECK(made.error().effect == Effect::none);
  CHECK(made.error().detail.find("without WAIT") != std::string::npos);
  CHECK(redis.command({"DBSIZE"}).integer == 0);
  sale.replicas = 0;
  CHECK(SaleController(pool, nullptr).create(sale));
}

}  // namespace
}  // namespace flashsale::engine
