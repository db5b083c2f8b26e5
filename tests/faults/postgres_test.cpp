// A PostgreSQL server that goes away, fills up, or dies in a commit: the orders wait in Redis, the worker says what it
// waits for and goes on alone, and nothing is lost or there twice.
#include <doctest/doctest.h>

#include "support/private_postgres.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

/// A sale in a server that may be harmed, and a worker that runs on a thread of its own until the end.
class Shop {
 public:
  explicit Shop(milliseconds call_timeout = milliseconds{500})
      : sale(redis, terms()), worker(sale.pool, sale.sink, options(call_timeout), {sale.id}) {}

  bool waits_for(std::string_view what) {
    return eventually([&] { return worker->report().waiting_for.find(what) != std::string::npos; },
                      milliseconds{30'000});
  }
  /// The database has every order, and the worker waits for nothing.
  bool has(std::size_t orders) {
    const auto all_there = [&] {
      auto reading = sale.sink->begin(OrderSink::Access::read, soon());
      if (!reading || !worker->report().waiting_for.empty()) return false;
      const auto rows = (*reading)->orders_by_buyer(SaleId{sale.id}, "", 1000);
      return rows && rows->size() == orders;
    };
    return eventually(all_there, milliseconds{60'000});
  }

  PrivatePostgres server;
  PrivateRedis redis;
  ServedSale sale;
  RunningWorker worker;

 private:
  ServedTerms terms() const {
    ServedTerms terms;
    terms.db_url = server.url();
    return terms;
  }
  static WorkerOptions options(milliseconds call_timeout) {
    WorkerOptions options;
    options.call_timeout = call_timeout;
    options.watch_every = milliseconds{50};
    return options;
  }
};

}  // namespace

TEST_SUITE("faults/postgres") {
  TEST_CASE("a server that is killed is waited for; the orders sold meanwhile are all there once it is back") {
    Shop shop;
    shop.sale.sell_to_crowd("before", 20);
    CHECK(shop.has(20));
    shop.server.kill_now();
    shop.sale.sell_to_crowd("during", 20);
    CHECK(shop.waits_for("disconnected"));
    shop.server.start();
    CHECK(shop.has(40));
    shop.sale.check_database();
  }

  TEST_CASE("a server that says that its disk is full is waited for by that name") {
    Shop shop;
    shop.server.execute(
        "create function fill() returns trigger language plpgsql as "
        "$$ begin raise exception 'no space left on device' using errcode = 'disk_full'; end $$");
    shop.server.execute("create trigger no_room before insert on flashsale.flashsale_order execute function fill()");
    shop.sale.sell_to_crowd("a", 20);
    CHECK(shop.waits_for("no space left"));
    CHECK(shop.waits_for("refused"));
    CHECK(shop.sale.orders().empty());
    shop.server.execute("drop trigger no_room on flashsale.flashsale_order");
    CHECK(shop.has(20));
    shop.sale.check_database();
  }

  TEST_CASE("a server that only reads is waited for, and gone on with once it writes again") {
    Shop shop;
    shop.server.execute("alter system set default_transaction_read_only = on");
    shop.server.execute("select pg_reload_conf()");
    REQUIRE(eventually([&] { return shop.server.execute("show default_transaction_read_only") == "on"; }));
    shop.sale.sell_to_crowd("a", 20);
    CHECK(shop.waits_for("read-only"));
    shop.server.execute("alter system reset default_transaction_read_only");
    shop.server.execute("select pg_reload_conf()");
    CHECK(shop.has(20));
    shop.sale.check_database();
  }

  TEST_CASE("a server killed in a commit that it had not made yet makes it once it is back, once") {
    Shop shop(milliseconds{20'000});
    CHECK(shop.has(0));
    // Slow until the restart: the worker is back before anybody could drop the trigger.
    const std::string started = shop.server.execute("select pg_postmaster_start_time()");
    shop.server.execute(
        "create function slow() returns trigger language plpgsql as $$ begin "
        "if pg_postmaster_start_time() = '" +
        started + "' then perform pg_sleep(60); end if; return null; end $$");
    shop.server.execute(
        "create constraint trigger slow after insert on flashsale.flashsale_order deferrable initially deferred "
        "for each row execute function slow()");
    shop.sale.sell_to_crowd("a", 20);
    REQUIRE(eventually([&] {
      return shop.server.execute("select count(*) from pg_stat_activity where query = 'commit' and state = 'active'") ==
             "1";
    }));
    shop.server.kill_now();
    shop.server.start();
    CHECK(shop.has(20));
    shop.sale.check_database();
  }

  TEST_CASE("a server killed in a commit that it had made, but not answered, does not make it twice") {
    Shop shop(milliseconds{20'000});
    CHECK(shop.has(0));
    // The commit is in the log and waits for a standby that there is not.
    shop.server.execute("alter system set synchronous_standby_names = 'nobody'");
    shop.server.execute("select pg_reload_conf()");
    REQUIRE(eventually([&] { return shop.server.execute("show synchronous_standby_names") == "nobody"; }));
    shop.sale.sell_to_crowd("a", 20);
    REQUIRE(eventually([&] {
      return shop.server.execute("select count(*) from pg_stat_activity where wait_event = 'SyncRep'") != "0";
    }));
    shop.server.execute("alter system reset synchronous_standby_names");
    shop.server.kill_now();
    shop.server.start();
    CHECK(shop.has(20));
    shop.sale.check_database();
    CHECK(shop.sale.dead().empty());
  }
}
