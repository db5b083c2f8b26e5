// The worker: serves until told to stop, waits for what heals, leaves alone what does not.
#include "flashsale/order_worker.hpp"

#include <doctest/doctest.h>

#include "core/keyspace.hpp"
#include "flashsale/redis.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"
#include "support/wire_proxy.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

WorkerOptions quick() {
  WorkerOptions options;
  options.watch_every = milliseconds{20};
  options.idle = milliseconds{1};
  return options;
}

}  // namespace

TEST_CASE("drain returns when everything written before it is in the database") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 50);
  OrderWorker worker(sale.pool, sale.sink, quick());
  REQUIRE(worker.drain(soon()));
  sale.check_database();
  CHECK(worker.report().orders == 50);
  CHECK(worker.report().behind == 0);
  CHECK(worker.report().waiting_for.empty());
  CHECK(sale.watermark_in_redis() == sale.row().watermark);
}

TEST_CASE("a running worker finds the sink's sales by itself and persists what is sold") {
  PrivateRedis redis;
  ServedSale sale(redis);
  RunningWorker worker(sale.pool, sale.sink, quick());
  sale.sell_to_crowd("a", 80);
  CHECK(eventually([&] { return worker->report().orders == 80; }));
  CHECK(worker.stop());
  sale.check_database();
}

TEST_CASE("stop before run makes run return") {
  PrivateRedis redis;
  ServedSale sale(redis);
  OrderWorker worker(sale.pool, sale.sink, quick());
  worker.stop();
  CHECK(worker.run());
}

TEST_CASE("stop does not wait for a Redis that says nothing") {
  PrivateRedis redis;
  ServedSale sale(redis);
  WireProxy silent(redis.socket_path());
  silent.stall();
  WorkerOptions patient = quick();
  patient.call_timeout = std::chrono::seconds{60};
  RunningWorker worker(make_pool(silent.url()).value(), sale.sink, patient, {sale.id});
  const auto begin = Deadline::clock::now();
  CHECK(eventually([&] { return silent.accepted() > 0; }));
  CHECK(worker.stop());
  CHECK(Deadline::clock::now() - begin < std::chrono::seconds{30});
}

TEST_CASE("Redis away is waited for, told, and gone on from by a reconcile") {
  PrivateRedis redis({"--save", "", "--appendonly", "yes", "--appendfsync", "always"});
  ServedSale sale(redis);
  RunningWorker worker(sale.pool, sale.sink, quick(), {sale.id});
  sale.sell_to_crowd("a", 20);
  CHECK(eventually([&] { return worker->report().orders == 20; }));
  redis.kill_now();
  CHECK(eventually([&] { return !worker->report().waiting_for.empty(); }));
  redis.start();
  CHECK(eventually([&] { return worker->report().reconciles == 1 && worker->report().waiting_for.empty(); }));
  CHECK(eventually([&] { return sale.sell({{"later", "click"}}) == "a"; }));
  CHECK(eventually([&] { return worker->report().orders == 21; }));
  sale.check_database();
}

TEST_CASE("the fence is compared in a sale that has not opened yet") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.state = SaleState::created;
  ServedSale sale(redis, terms);
  RunningWorker worker(sale.pool, sale.sink, quick());
  redis.command({"FLUSHALL"});
  CHECK(eventually([&] { return worker->report().reconciles == 1; }));
  CHECK(sale.meta("state") == "created");
}

TEST_CASE("with reconcile off a fenced sale is only waited for") {
  PrivateRedis redis;
  ServedSale sale(redis);
  redis.command({"FLUSHALL"});
  WorkerOptions options = quick();
  options.reconcile = false;
  OrderWorker worker(sale.pool, sale.sink, options);
  const auto drained = worker.drain(Deadline::clock::now() + milliseconds{100});
  REQUIRE(!drained);
  CHECK(drained.error().code == ErrorCode::timed_out);
  CHECK(worker.report().reconciles == 0);
}

TEST_CASE("a sale that cannot be served is left alone, the others go on, and run ends only with the last named") {
  PrivateRedis redis;
  ServedSale sale(redis);
  sale.sell_to_crowd("a", 3, 1);
  redis.command({"XDEL", core::Keys(sale.id).journal, "1-2"});
  SUBCASE("named, and of another database: run returns its error") {
    redis.command({"HSET", core::Keys(sale.id).meta, "sink", "another"});
    OrderWorker worker(sale.pool, sale.sink, quick(), {sale.id});
    const auto ran = worker.run();
    REQUIRE(!ran);
    CHECK(ran.error().code == ErrorCode::conflict);
  }
  SUBCASE("found: run goes on") {
    RunningWorker worker(sale.pool, sale.sink, quick());
    CHECK(eventually([&] { return worker->report().orders == 1; }));
    CHECK(sale.row().watermark == Position{1, 1});
  }
  SUBCASE("drain returns it at once") {
    OrderWorker worker(sale.pool, sale.sink, quick());
    const auto drained = worker.drain(soon());
    REQUIRE(!drained);
    CHECK(drained.error().code == ErrorCode::conflict);
  }
}

TEST_CASE(
    "a sale whose journal has a gap is left alone, its entries are counted, and it is served once they are back") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const std::string journal = core::Keys(sale.id).journal;
  sale.sell_to_crowd("a", 3, 1);
  const std::string whole = redis.command({"DUMP", journal}).text;
  redis.command({"XDEL", journal, "1-2"});
  RunningWorker worker(sale.pool, sale.sink, quick(), {sale.id});
  CHECK(eventually(
      [&] { return worker->report().waiting_for.find("left alone, 2 entries behind") != std::string::npos; }));
  CHECK(worker->report().behind == 2);
  CHECK(sale.row().watermark == Position{1, 1});
  redis.command({"RESTORE", journal, "0", whole, "REPLACE"});
  CHECK(eventually([&] { return worker->report().orders == 3; }));
  CHECK(eventually([&] { return worker->report().waiting_for.empty() && worker->report().behind == 0; }));
}

TEST_CASE("a watermark and a dead order that a dying worker did not tell are told by the next") {
  PrivateRedis redis;
  ServedSale sale(redis);
  const core::Keys keys(sale.id);
  sale.sell_to_crowd("a", 3);
  OrderWorker first(sale.pool, sale.sink, quick());
  REQUIRE(first.drain(soon()));
  redis.command({"HSET", keys.meta, "watermark", "1-0"});
  DeadRow untold;
  untold.order = {{{1, 1}, 2}, "a2", "shoe", 1, "click", ""};
  untold.reason = "by hand";
  untold.at = {1, 1};
  {
    auto transaction = sale.sink->begin(OrderSink::Access::write, soon());
    REQUIRE((*transaction)->set_aside(SaleId{sale.id}, untold));
    REQUIRE((*transaction)->commit());
  }
  RunningWorker second(sale.pool, sale.sink, quick());
  CHECK(eventually([&] { return sale.dead()[0].told; }));
  CHECK(sale.watermark_in_redis() == Position{1, 1});
  CHECK(sale.sell({{"a1", "click"}, {"a2", "click"}}) == "RK");
}
