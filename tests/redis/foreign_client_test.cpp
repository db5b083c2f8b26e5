// The conformance suite, as whoever plugs in a client of their own runs it.
#include <doctest/doctest.h>
#include <signal.h>

#include <stdexcept>

#include "../examples/hiredis_plug.hpp"
#include "flashsale/flashsale.hpp"
#include "redis/connection_conformance.hpp"

namespace flashsale::test {
namespace {

std::string path_of(const std::string& url) { return url.substr(std::string_view("redis+unix://").size()); }

std::unique_ptr<Connection> connect_by_hiredis(const std::string& url) {
  redisContext* const context = redisConnectUnixWithTimeout(path_of(url).c_str(), {1, 0});
  if (context == nullptr || context->err != 0) throw std::runtime_error("hiredis does not connect");
  return std::make_unique<hiredis_plug::HiredisConnection>(context);
}

TEST_CASE("hiredis' own synchronous context, plugged in, conforms") {
  signal(SIGPIPE, SIG_IGN);
  check_connection_conformance(connect_by_hiredis);
  check_pool_conformance([](const std::string& url, PoolOptions options) -> std::shared_ptr<ConnectionPool> {
    return std::make_shared<hiredis_plug::HiredisPool>(path_of(url), options.connections_max);
  });
  signal(SIGPIPE, SIG_DFL);
}

TEST_CASE("a sale is sold through it") {
  PrivateRedis redis;
  const auto pool = std::make_shared<hiredis_plug::HiredisPool>(redis.socket_path(), 4);
  SaleController sales(pool);
  Sale sale{SaleId{"foreign"}};
  sale.item(ItemId{"shoe"}, 2, 1).queue = QueueMode::list;
  REQUIRE(sales.create(sale));
  REQUIRE(sales.open(SaleId{"foreign"}));
  StockGate gate(pool);
  std::vector<Outcome> outcomes;
  for (const char* const buyer : {"ann", "bob", "cid"}) {
    Call call{SaleId{"foreign"}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}};
    call.timeout = milliseconds{20'000};
    outcomes.push_back(gate.reserve(call).value().outcome);
  }
  CHECK(outcomes == std::vector<Outcome>{Outcome::reserved, Outcome::reserved, Outcome::sold_out});
}

}  // namespace
}  // namespace flashsale::test
