// One address whose meaning moves to another server, as a DNS name, a virtual IP or a service does at a failover: what
// was connected stays with the demoted primary.
#include <doctest/doctest.h>

#include "flashsale/flashsale.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"
#include "support/topologies.hpp"
#include "support/wire_proxy.hpp"

namespace flashsale::test {
namespace {

/// A primary with a replica, reached by one address, and a sale that nobody asks of.
struct QuietHouse {
  QuietHouse() : name(address_of(*pair.primary), Tcp::yes), url("redis://127.0.0.1:" + std::to_string(name.port())) {}

  /// What is connected stays; who dials anew reaches the new primary.
  void fail_over() {
    pair.fail_over();
    name.lead_to(address_of(*pair.replica));
  }

  PairSetup pair;
  WireProxy name;
  const std::string url;
  const std::string db = pair.primary->dir() + "/orders.db";
};

Call one_of(const char* buyer) { return {SaleId{"spring"}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}}; }

TEST_CASE("a quiet sale is reconciled at the node that its name moved to, though no caller meets the old one") {
  QuietHouse house;
  auto pool = make_pool(house.url).value();
  SaleController sales(pool, open_sink(house.db));
  REQUIRE(sales.create(Sale{SaleId{"spring"}}.item(ItemId{"shoe"}, 100, 1)));
  REQUIRE(sales.open(SaleId{"spring"}));
  StockGate gate(pool);
  REQUIRE(gate.reserve(one_of("ann"))->outcome == Outcome::reserved);
  RunningWorker worker(make_pool(house.url).value(), open_sink(house.db));
  REQUIRE(eventually([&] { return worker->report().orders == 1; }));

  house.fail_over();
  CHECK(eventually([&] { return worker->report().reconciles >= 1; }));
  CHECK(eventually([&] { return worker->report().waiting_for.empty(); }));
  // For a moment after a reconcile nothing is sold, so that nobody wins while another gate still refuses.
  CHECK(eventually([&] { return gate.reserve(one_of("bob")).value().outcome == Outcome::reserved; }));
  CHECK(gate.reserve(one_of("ann"))->outcome == Outcome::already_reserved);
}

TEST_CASE("a sale that opens by its schedule after its name moved opens, and is not fenced") {
  QuietHouse house;
  auto pool = make_pool(house.url).value();
  SaleController sales(pool, open_sink(house.db));
  const auto now_ms = std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  Sale spring{SaleId{"spring"}};
  spring.item(ItemId{"shoe"}, 100, 1);
  spring.opens_ms = now_ms.count() + 3'000;
  REQUIRE(sales.create(spring));
  RunningWorker worker(make_pool(house.url).value(), open_sink(house.db));
  house.fail_over();
  REQUIRE(eventually([&] { return worker->report().reconciles >= 1; }));
  StockGate gate(make_pool(house.url).value());
  CHECK(eventually([&] {
    const auto answer = gate.reserve(one_of("ann"));
    REQUIRE_MESSAGE(answer, to_string(answer.error()));
    REQUIRE((answer->outcome == Outcome::not_started || answer->outcome == Outcome::reserved));
    return answer->outcome == Outcome::reserved;
  }));
}

TEST_CASE("a controller that is connected to the old node acts at the one that its name moved to") {
  QuietHouse house;
  auto pool = make_pool(house.url).value();
  SaleController sales(pool, open_sink(house.db));
  REQUIRE(sales.create(Sale{SaleId{"spring"}}.item(ItemId{"shoe"}, 100, 1)));
  REQUIRE(sales.open(SaleId{"spring"}));
  house.fail_over();
  REQUIRE(sales.reconcile(SaleId{"spring"}, soon()));
  REQUIRE(sales.pause(SaleId{"spring"}));
  CHECK(house.pair.replica->command({"HGET", "fs:{spring}:meta", "state"}).text == "paused");
}

}  // namespace
}  // namespace flashsale::test
