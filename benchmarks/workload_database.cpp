// Orders on their way into a database and back: the worker beside a bare loop of the same inserts, and a rebuild.
#include <fmt/format.h>
#include <libpq-fe.h>
#include <sqlite3.h>

#include <filesystem>
#include <memory>
#include <stdexcept>

#include "bench.hpp"
#include "databases.hpp"
#include "engine/reconcile.hpp"
#include "flashsale/order_worker.hpp"
#include "sinks/postgres/values.hpp"
#include "support/served_sale.hpp"

namespace flashsale::bench {
namespace {

using test::PrivateRedis;
using test::ServedSale;
using test::ServedTerms;

constexpr std::size_t kOrdersPerCommit = 1000;
constexpr std::size_t kBatch = 100;

Deadline in_a_while() { return Deadline::clock::now() + std::chrono::minutes(5); }

ServedTerms terms_for(std::size_t count, bool postgres) {
  ServedTerms terms;
  terms.items = {{"shoe", static_cast<std::int64_t>(count), 5, 0}};
  if (postgres) terms.db_url = synced_postgres().fresh_database();
  return terms;
}

Order order_of(std::size_t i) {
  Order order;
  order.id = {{1, 1 + i / kBatch}, static_cast<std::uint32_t>(i % kBatch)};
  order.buyer = fmt::format("buyer{:08x}", i * 2'654'435'761u % 4'294'967'296u);
  order.item = "shoe";
  order.quantity = 1;
  order.request = "click";
  order.payload = "payload";
  return order;
}

/// The worker, from a journal of `count` orders to the last commit.
Score drain(std::size_t count, bool postgres) {
  PrivateRedis redis;
  ServedSale sale(redis, terms_for(count, postgres));
  for (std::size_t i = 0; i < count; i += kBatch) {
    std::vector<test::Wish> wishes;
    for (std::size_t k = i; k < std::min(count, i + kBatch); ++k) wishes.push_back({order_of(k).buyer, "click"});
    if (sale.sell(wishes) != std::string(wishes.size(), 'a')) throw std::runtime_error("the sale refused an order");
  }
  WorkerOptions options;
  options.orders_per_commit = kOrdersPerCommit;
  OrderWorker worker(sale.pool, sale.sink, options, {sale.id});
  const auto start = Clock::now();
  must(worker.drain(in_a_while()));
  const double seconds = seconds_since(start);
  if (worker.report().orders != count) throw std::runtime_error("the worker lost orders");
  return {{"orders_per_s", static_cast<double>(count) / seconds}};
}

void run_sql(sqlite3* db, const char* sql) {
  if (sqlite3_exec(db, sql, nullptr, nullptr, nullptr) != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(db));
}

/// The rows of an order and of what its buyer holds, one statement each, and nothing that protects them.
Score bare_sqlite(std::size_t count) {
  PrivateRedis redis;
  const ServedSale sale(redis, terms_for(count, false));  // for its tables
  sqlite3* db = nullptr;
  if (sqlite3_open(sale.db_url().c_str(), &db) != SQLITE_OK) throw std::runtime_error("no database");
  const std::unique_ptr<sqlite3, decltype(&sqlite3_close)> close(db, &sqlite3_close);
  run_sql(db, "pragma synchronous = full; pragma cache_size = -32768; pragma wal_autocheckpoint = 16384");
  sqlite3_stmt *order = nullptr, *holding = nullptr;
  sqlite3_prepare_v2(db,
                     "insert into flashsale_order (sale, epoch, seq, idx, buyer, item, quantity, request, state, "
                     "credited, payload) values ('bare', 1, ?, ?, ?, 'shoe', 1, 'click', 'reserved', 1, x'7061796c')",
                     -1, &order, nullptr);
  sqlite3_prepare_v2(db,
                     "insert into flashsale_holding (sale, buyer, item, held, lim) values ('bare', ?, 'shoe', 1, 5)",
                     -1, &holding, nullptr);
  const auto start = Clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    if (i % kOrdersPerCommit == 0) run_sql(db, i == 0 ? "begin" : "commit; begin");
    const Order row = order_of(i);
    sqlite3_bind_int64(order, 1, static_cast<std::int64_t>(row.id.at.seq));
    sqlite3_bind_int64(order, 2, row.id.index);
    sqlite3_bind_text(order, 3, row.buyer.c_str(), -1, SQLITE_STATIC);
    sqlite3_bind_text(holding, 1, row.buyer.c_str(), -1, SQLITE_STATIC);
    for (sqlite3_stmt* statement : {order, holding}) {
      if (sqlite3_step(statement) != SQLITE_DONE) throw std::runtime_error(sqlite3_errmsg(db));
      sqlite3_reset(statement);
    }
  }
  run_sql(db, "commit");
  const double seconds = seconds_since(start);
  sqlite3_finalize(order);
  sqlite3_finalize(holding);
  return {{"orders_per_s", static_cast<double>(count) / seconds}};
}

void run_postgres(PGconn* db, const char* sql, const sinks::postgres::Values& values) {
  const auto pointers = values.pointers();
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(
      PQexecParams(db, sql, values.size(), values.types(), pointers.data(), values.lengths(), values.formats(), 1),
      &PQclear);
  if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) throw std::runtime_error(PQerrorMessage(db));
}

/// The same rows, a thousand a statement: a loop of single inserts would be several times slower.
Score bare_postgres(std::size_t count) {
  using sinks::postgres::Array;
  using sinks::postgres::Values;
  PrivateRedis redis;
  const ServedSale sale(redis, terms_for(count, true));  // for its tables
  const std::unique_ptr<PGconn, decltype(&PQfinish)> db(PQconnectdb(sale.db_url().c_str()), &PQfinish);
  if (PQstatus(db.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(db.get()));
  const auto start = Clock::now();
  for (std::size_t i = 0; i < count; i += kOrdersPerCommit) {
    const std::size_t size = std::min(count - i, kOrdersPerCommit);
    Array seqs = Array::of_int8(size), indexes = Array::of_int8(size), buyers = Array::of_text(size);
    Array holders = Array::of_text(size);
    for (std::size_t k = i; k < i + size; ++k) {
      const Order row = order_of(k);
      seqs.add(static_cast<std::int64_t>(row.id.at.seq));
      indexes.add(static_cast<std::int64_t>(row.id.index));
      buyers.add(row.buyer);
      holders.add(row.buyer);
    }
    run_postgres(db.get(), "begin", Values());
    run_postgres(db.get(),
                 "insert into flashsale.flashsale_order (sale, epoch, seq, idx, buyer, item, quantity, request, state, "
                 "credited, payload) select 'bare', 1, n.seq, n.idx, n.buyer, 'shoe', 1, 'click', 'reserved', true, "
                 "'payload' from unnest($1::bigint[], $2::bigint[], $3::text[]) n (seq, idx, buyer)",
                 Values(std::move(seqs), std::move(indexes), std::move(buyers)));
    run_postgres(db.get(),
                 "insert into flashsale.flashsale_holding (sale, buyer, item, held, lim) "
                 "select 'bare', n.buyer, 'shoe', 1, 5 from unnest($1::text[]) n (buyer)",
                 Values(std::move(holders)));
    run_postgres(db.get(), "commit", Values());
  }
  return {{"orders_per_s", static_cast<double>(count) / seconds_since(start)}};
}

/// A whole reconcile of an empty Redis: claim, close, rebuild, reopen.
Score rebuild(std::size_t count, bool postgres) {
  PrivateRedis redis;
  ServedSale sale(redis, terms_for(count, postgres));
  std::vector<Order> orders;
  for (std::size_t i = 0; i < count;) {
    orders.clear();
    for (; orders.size() < 10'000 && i < count; ++i) orders.push_back(order_of(i));
    auto transaction = must(sale.sink->begin(OrderSink::Access::write, in_a_while()));
    must(transaction->insert_orders(SaleId{sale.id}, orders.data(), orders.size()));
    must(transaction->commit());
  }
  redis.command({"FLUSHALL"});
  const auto start = Clock::now();
  must(engine::reconcile(sale.pool, sale.sink, sale.id, in_a_while()));
  const double seconds = seconds_since(start);
  if (sale.meta("booked:1") != std::to_string(count)) throw std::runtime_error("the rebuild lost orders");
  return {{"orders_per_s", static_cast<double>(count) / seconds}};
}

const Registered kDrainSqlite{{"drain_sqlite", "the worker into SQLite, synced, beside a bare loop of the same inserts",
                               [](Bench& bench) {
                                 const std::size_t count = bench.scaled(100'000);
                                 bench.compare({"orders_per_s"},
                                               {{"flashsale", [=] { return drain(count, false); }},
                                                {"bare inserts", [=] { return bare_sqlite(count); }}});
                               },
                               50}};

const Registered kDrainPostgres{
    {"drain_postgres", "the worker into PostgreSQL, synced, beside a bare loop of the same inserts in sets",
     [](Bench& bench) {
       const std::size_t count = bench.scaled(100'000);
       bench.compare({"orders_per_s"}, {{"flashsale", [=] { return drain(count, true); }},
                                        {"bare inserts", [=] { return bare_postgres(count); }}});
     },
     51}};

const Registered kRebuild{{"rebuild", "a reconcile of an empty Redis from a database of a million orders",
                           [](Bench& bench) {
                             const std::size_t count = bench.scaled(1'000'000);
                             bench.figure("orders_per_s", rebuild(count, false).at("orders_per_s"), "SQLite");
                             bench.figure("orders_per_s", rebuild(count, true).at("orders_per_s"), "PostgreSQL");
                           },
                           52}};

}  // namespace
}  // namespace flashsale::bench
