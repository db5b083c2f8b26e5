// What is PostgreSQL's own: a server that may be down, restarted, read-only, locked, spoilt, or another library's.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "flashsale/linked_sinks.hpp"
#include "redis/silent_port.hpp"
#include "sinks/sink_conformance.hpp"
#include "support/by_deadline.hpp"
#include "support/hanging_name.hpp"
#include "support/private_postgres.hpp"
#include "support/private_redis.hpp"
#include "support/process.hpp"

namespace flashsale::sink_test {
namespace {

using test::PrivatePostgres;
using test::shared_postgres;

std::shared_ptr<OrderSink> open_sink(const std::string& url) { return must(sinks::make_postgres_sink(url)); }

std::string database_of(const std::string& url) {
  const auto begin = url.find("@/") + 2;
  return url.substr(begin, url.find('?') - begin);
}

Error begin_error(const std::shared_ptr<OrderSink>& sink, Access access = Access::write, int ms = 500) {
  const auto begun = sink->begin(access, in_ms(ms));
  return begun ? Error{ErrorCode{}, Effect::none, "it began"} : begun.error();
}

TEST_CASE("PostgreSQL keeps every promise of a sink") {
  static const std::string url = shared_postgres().fresh_database();
  check_sink_conformance([&] { return open_sink(url); });
}

TEST_CASE("a database of a newer library is refused, naming both versions") {
  const std::string url = shared_postgres().fresh_database();
  must(open_sink(url)->id(soon()));
  shared_postgres().execute("update flashsale.flashsale_schema set version = 4711", database_of(url));
  const auto id = open_sink(url)->id(soon());
  REQUIRE_FALSE(id.has_value());
  CHECK(id.error().code == ErrorCode::unsupported);
  CHECK(id.error().detail.find("version 4711") != std::string::npos);
  CHECK(id.error().detail.find("up to 4") != std::string::npos);
}

TEST_CASE("a database of the first version is brought up to date, with its id and its orders") {
  const std::string url = shared_postgres().fresh_database();
  SaleBed bed(open_sink(url));
  const std::string id = must(bed.sink().id(soon()));
  bed.insert({order_at(1, 0, "ann")});
  shared_postgres().execute(
      "alter table flashsale.flashsale_order drop column hold_until_ms; "
      "alter table flashsale.flashsale_dead drop column hold_until_ms, drop column fate; "
      "drop table flashsale.flashsale_receipt, flashsale.flashsale_receipt_holder, flashsale.flashsale_repair; "
      "update flashsale.flashsale_schema set version = 1",
      database_of(url));
  const auto sink = open_sink(url);
  CHECK(must(sink->id(soon())) == id);
  auto t = must(sink->begin(Access::write, soon()));
  const auto rows = must(t->orders_by_buyer(bed.id(), "", 10));
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].order.hold_until_ms == 0);
  must(t->set_aside(bed.id(), {order_at(2, 0, "bob"), "OVERSOLD", {1, 2}, false}));
  CHECK(must(t->dead(bed.id(), false))[0].fate == DeadFate::dead);
  CHECK(must(t->receipt_holders(bed.id())).empty());
  CHECK(must(t->repairs(bed.id())).empty());
}

TEST_CASE("connections that race to make the schema agree on one id") {
  const std::string url = shared_postgres().fresh_database();
  std::vector<std::thread> threads;
  std::vector<std::string> ids(6);
  for (std::string& id : ids) {
    threads.emplace_back([&] {
      auto found = open_sink(url)->id(soon());
      id = found ? *found : to_string(found.error());
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(ids.front().size() == 32);
  for (const std::string& id : ids) CHECK(id == ids.front());
}

TEST_CASE("no message holds the password") {
  const char* const urls[] = {"postgresql://shop:sesame@127.0.0.1:1/orders", "postgresql://shop:sesame@[::1/orders",
                              "postgresql://127.0.0.1:1/orders?password=sesame",
                              "postgresql://shop:sesame@h/orders?no_such_option=1"};
  for (const char* url : urls) {
    CAPTURE(url);
    const auto sink = sinks::make_postgres_sink(url);
    const std::string said = sink ? (*sink)->describe() + begin_error(open_sink(url)).detail : sink.error().detail;
    CHECK(said.find("postgresql://") != std::string::npos);
    CHECK(said.find("sesame") == std::string::npos);
  }
}

TEST_CASE("a server that is down is disconnected, and once it is back the same sink works") {
  PrivatePostgres server;
  const auto sink = open_sink(server.url());
  SaleBed bed(sink);
  server.kill_now();
  CHECK(begin_error(sink).code == ErrorCode::disconnected);
  CHECK(begin_error(sink).effect == Effect::none);
  server.start();
  CHECK(bed.insert({order_at(1, 0, "ann")}) == std::vector<Insert>{Insert::inserted});
  // A connection at rest that the server ended meanwhile is not noticed by the caller at all.
  server.stop();
  server.start();
  CHECK(bed.sold() == 1);
}

TEST_CASE("a name service that hangs is given up at the deadline, and a name that nobody has is disconnected") {
  const test::HangingName name;
  const std::string url = std::string("postgresql://") + name.kHost + "/shop";
  const auto late = test::by_deadline(
      milliseconds{200}, [&](Deadline deadline) { return open_sink(url)->begin(Access::write, deadline); });
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::timed_out);
  CHECK(late.error().effect == Effect::none);
  const auto unknown = begin_error(open_sink("postgresql://no-such-host.invalid/shop"), Access::write, 20'000);
  CHECK(unknown.code == ErrorCode::disconnected);
  CHECK(unknown.detail.find("no-such-host.invalid") != std::string::npos);
}

TEST_CASE("of several hosts one whose look-up hangs leaves time for the others, wherever it stands") {
  const test::HangingName name;
  const std::string folder = shared_postgres().fresh_database();
  const auto at = folder.find("?host=") + 6;
  for (const std::string& hosts :
       {name.kHost + std::string(",localhost,"), std::string("localhost,") + name.kHost + ","}) {
    std::string url = folder;
    url.insert(at, hosts);
    const auto begun = open_sink(url + "&port=1,1,5432")->begin(Access::read, in_ms(6000));
    CHECK_MESSAGE(begun, (begun ? "" : begun.error().detail));
  }
}

TEST_CASE("of several hosts those that nobody has are left out") {
  std::string url = shared_postgres().fresh_database();
  url.insert(url.find("?host=") + 6, "no-such-host.invalid,localhost,");
  CHECK(open_sink(url + "&port=1,1,5432")->begin(Access::read, soon()));
  CHECK(begin_error(open_sink("postgresql:///shop?host=a,b,c&port=1,2")).code == ErrorCode::invalid_argument);
}

TEST_CASE("of several hosts one that says nothing leaves time for the next, which may be the server that took over") {
  const test::SilentPort silent;
  const std::string silent_port = silent.address().substr(silent.address().find(':') + 1);
  const std::string folder = shared_postgres().fresh_database();
  const auto behind_silent = [&](const std::string& more) {
    std::string url = folder;
    url.insert(url.find("?host=") + 6, "127.0.0.1,");
    return url + "&port=" + silent_port + ",5432" + more;
  };
  must(open_sink(folder)->id(soon()));
  for (const char* more : {"", "&target_session_attrs=read-write", "&target_session_attrs=prefer-standby"}) {
    CAPTURE(more);
    const auto sink = open_sink(behind_silent(more));
    bool begun = false;
    for (int i = 0; i < 10 && !begun; ++i) begun = sink->begin(Access::read, in_ms(2000)).has_value();
    CHECK(begun);
  }
  // What each of them said is told.
  const auto none = begin_error(open_sink(behind_silent("&target_session_attrs=standby")), Access::read, 500);
  CHECK(none.detail.find("no answer in time") != std::string::npos);
  CHECK(none.detail.find("standby") != std::string::npos);
}

TEST_CASE("a server that takes connections and says nothing is given up at the deadline") {
  PrivatePostgres server;
  const auto sink = open_sink(server.url());
  must(sink->id(soon()));
  auto open = must(sink->begin(Access::write, in_ms(300)));
  test::send_signal(server.pid(), SIGSTOP);  // no new connections
  const auto started = std::chrono::steady_clock::now();
  const auto other = begin_error(open_sink(server.url()), Access::read, 300);
  CHECK(std::chrono::steady_clock::now() - started < std::chrono::seconds(5));
  CHECK(other.code == ErrorCode::timed_out);
  test::send_signal(server.pid(), SIGCONT);
}

TEST_CASE("a statement that is killed ends its transaction, and nothing of it is left") {
  const std::string url = shared_postgres().fresh_database();
  SaleBed bed(open_sink(url));
  auto t = must(bed.sink().begin(Access::write, soon()));
  const Order order = order_at(1, 0, "ann");
  must(t->insert_orders(bed.id(), &order, 1));
  shared_postgres().execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = '" +
                            database_of(url) + "' and state = 'idle in transaction'");
  const auto committed = t->commit();
  REQUIRE_FALSE(committed.has_value());
  CHECK(committed.error().code == ErrorCode::disconnected);
  CHECK(committed.error().effect == Effect::unknown);
  t.reset();
  CHECK(bed.sold() == 0);
}

TEST_CASE("a server that only reads refuses, and is looked for anew") {
  PrivatePostgres server;
  const auto sink = open_sink(server.url());
  SaleBed bed(sink);
  server.execute("alter system set default_transaction_read_only = on");
  server.execute("select pg_reload_conf()");
  CHECK(test::eventually([&] {
    auto t = sink->begin(Access::write, soon());
    if (!t) return false;
    const auto locked = (*t)->lock_sale(bed.id());
    return !locked && locked.error().code == ErrorCode::refused;
  }));
  server.execute("alter system reset default_transaction_read_only");
  server.execute("select pg_reload_conf()");
  CHECK(test::eventually([&] {
    auto t = sink->begin(Access::write, soon());
    return t && (*t)->lock_sale(bed.id()).has_value();
  }));
}

TEST_CASE("a user without rights is refused, with the server's reason") {
  const std::string url = shared_postgres().fresh_database();
  SaleBed bed(open_sink(url));
  shared_postgres().execute("create role guest login");
  std::string as_guest = url;
  as_guest.replace(as_guest.find("postgres@"), 8, "guest");
  const Error error = begin_error(open_sink(as_guest));
  CHECK(error.code == ErrorCode::refused);
  CHECK(error.detail.find("permission denied") != std::string::npos);
}

TEST_CASE("two creates of one sale wait for each other, though there is no row to lock yet") {
  const std::string url = shared_postgres().fresh_database();
  const auto sink = open_sink(url);
  const SaleId sale{"not-yet"};
  auto first = must(sink->begin(Access::write, soon()));
  CHECK_FALSE(must(first->lock_sale(sale)).has_value());
  auto second = must(sink->begin(Access::write, in_ms(200)));
  CHECK(second->lock_sale(sale).error().code == ErrorCode::busy);
}

TEST_CASE("a reading transaction sees one moment throughout") {
  SaleBed bed(open_sink(shared_postgres().fresh_database()));
  auto reader = must(bed.sink().begin(Access::read, soon()));
  CHECK(must(reader->lock_sale(bed.id()))->items[0].sold == 0);
  bed.insert({order_at(1, 0, "ann")});
  CHECK(must(reader->lock_sale(bed.id()))->items[0].sold == 0);
  CHECK(must(reader->orders_by_buyer(bed.id(), "", 10)).empty());
}

TEST_CASE("a batch larger than one statement is judged as if its orders came one by one") {
  SaleBed bed(open_sink(shared_postgres().fresh_database()));
  SaleRow row = bed.row();
  row.items[0].total = 2'500;
  bed.write([&](SinkTransaction& t) { must(t.put_sale(row)); });
  std::vector<Order> orders;
  for (std::uint32_t i = 0; i < 3'000; ++i) orders.push_back(order_at(1, i, "b" + std::to_string(i)));
  for (std::size_t i = 0; i < 30; ++i) orders[100 * i] = orders[100 * i + 1];  // the second of each pair is `same`
  const auto verdicts = bed.insert(orders);
  std::size_t inserted = 0, same = 0, oversold = 0;
  for (const Insert verdict : verdicts) {
    inserted += verdict == Insert::inserted;
    same += verdict == Insert::same;
    oversold += verdict == Insert::oversold;
  }
  CHECK(inserted == 2'500);
  CHECK(inserted + same + oversold == 3'000);
  CHECK(verdicts[0] == Insert::inserted);
  CHECK(verdicts[1] == Insert::same);
  CHECK(verdicts[2'999] == Insert::oversold);
  CHECK(bed.sold() == 2'500);
}

TEST_CASE("a sink used before a fork belongs to the parent, whose session the child leaves alone") {
  const std::string url = shared_postgres().fresh_database();
  const auto sink = open_sink(url);
  const auto unused = open_sink(url);
  auto open = must(sink->begin(Access::write, soon()));
  must(open->put_operation(SaleId{"s"}, OperationId{"op"}, ItemId{"i"}, 1));
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (sink->begin(Access::write, soon()).error().code != ErrorCode::forked) _exit(1);
    if (open->now_ms().error().code != ErrorCode::forked) _exit(2);
    open.reset();
    _exit(unused->begin(Access::write, soon()).has_value() ? 0 : 3);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  must(open->commit());
}

TEST_CASE("writers on many threads take turns") {
  const auto sink = open_sink(shared_postgres().fresh_database());
  SaleBed bed(sink);
  SaleRow row = bed.row();
  row.items[0].total = 1'000;
  bed.write([&](SinkTransaction& t) { must(t.put_sale(row)); });
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (std::uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (std::uint64_t k = 1; k <= 25; ++k) {
        auto t = sink->begin(Access::write, soon());
        const Order order = order_at(k, i, "b" + std::to_string(i) + "." + std::to_string(k));
        const bool done = t && (*t)->lock_sale(bed.id()).has_value() &&
                          (*t)->insert_orders(bed.id(), &order, 1).has_value() && (*t)->commit().has_value();
        if (!done) ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(bed.sold() == 100);
}

}  // namespace
}  // namespace flashsale::sink_test
