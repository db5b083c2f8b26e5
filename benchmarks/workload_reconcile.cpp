// What a lost history costs: the pause until the sale sells again; and what receipts cost while nothing is lost.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "databases.hpp"
#include "engine/reconcile.hpp"
#include "flashsale/linked_sinks.hpp"
#include "flashsale/order_worker.hpp"
#include "ours.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"

namespace flashsale::bench {
namespace {

constexpr int kPauses = 100;
constexpr std::size_t kBacklog = 5'000;

test::ServedTerms terms_for(std::size_t buyers, bool postgres) {
  test::ServedTerms terms;
  terms.items = {{"shoe", static_cast<std::int64_t>(2 * buyers + 2 * kBacklog), 5, 0}};
  terms.probe_ms = 50;
  if (postgres) terms.db_url = synced_postgres().fresh_database();
  return terms;
}

/// A sale whose database and Redis have `buyers` orders, and Redis alone `kBacklog` more.
void fill(test::ServedSale& sale, std::size_t buyers) {
  std::vector<Order> orders;
  for (std::size_t i = 0; i < buyers; ++i)
    orders.push_back({{{1, 1 + i / 500}, static_cast<std::uint32_t>(i % 500)},
                      fmt::format("old{}", i),
                      "shoe",
                      1,
                      "click",
                      "payload"});
  const Deadline deadline = Clock::now() + std::chrono::minutes(2);
  auto transaction = must(sale.sink->begin(OrderSink::Access::write, deadline));
  must(transaction->insert_orders(SaleId{sale.id}, orders.data(), orders.size()));
  if (auto done = transaction->commit(); !done) throw std::runtime_error(to_string(done.error()));
  transaction.reset();
  sale.redis().command({"FLUSHALL"});
  if (auto done = engine::reconcile(sale.pool, sale.sink, sale.id, deadline); !done)
    throw std::runtime_error(to_string(done.error()));
  for (std::size_t i = 0; i < kBacklog; i += 500) {
    std::vector<test::Wish> wishes;
    for (std::size_t k = i; k < i + 500; ++k) wishes.push_back({fmt::format("new{}", k), "click"});
    while (sale.sell(wishes) != std::string(wishes.size(), 'a')) std::this_thread::sleep_for(milliseconds{10});
  }
}

/// From a history that changed under a sale, all of it surviving, to the next order that the database has.
double pause_ms(std::size_t buyers, bool postgres) {
  test::PrivateRedis redis;
  test::ServedSale sale(redis, terms_for(buyers, postgres));
  fill(sale, buyers);
  StockGate gate(sale.pool);
  redis.command({"HSET", "fs:{" + sale.id + "}:meta", "hist", "0123"});
  const auto start = Clock::now();
  test::RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
  Call call{SaleId{sale.id}, ItemId{"shoe"}, BuyerId{"next"}, RequestId{"click"}};
  call.level = Level::database;
  call.timeout = std::chrono::seconds(20);
  while (!must(gate.reserve(call)).holds_stock()) std::this_thread::sleep_for(milliseconds{1});
  const double seconds = seconds_since(start);
  must(worker.stop());
  if (sale.row().items[0].sold != static_cast<std::int64_t>(buyers + kBacklog + 1))
    throw std::runtime_error("the reconcile lost orders, or doubled some");
  return 1000 * seconds;
}

void measure_pauses(Bench& bench, bool postgres) {
  std::vector<double> pauses;
  const auto runs = static_cast<int>(std::max<std::size_t>(2, bench.scaled(kPauses * 100) / 100));
  for (int i = 0; i < runs; ++i) pauses.push_back(pause_ms(bench.scaled(100'000), postgres));
  std::sort(pauses.begin(), pauses.end());
  const std::string beside = fmt::format("{} runs, {}", runs, postgres ? "PostgreSQL" : "SQLite");
  bench.figure("p50_ms", median(pauses), beside);
  bench.figure("p99_ms", pauses[(pauses.size() * 99 - 1) / 100], beside);  // of fewer than a hundred the longest
}

/// The crowd on a sale that has a database, which a worker never reaches: the ring runs full.
Score crowd_with(bool receipts, const Crowd& crowd) {
  Stage stage({static_cast<std::int64_t>(crowd.size()), 1, {}});
  const std::string meta = fmt::format("fs:{{{}}}:meta", stage.sale());
  const auto path = std::filesystem::path(stage.redis.dir()) / "orders.db";
  const std::shared_ptr<OrderSink> sink(must(sinks::make_sqlite_sink(path.string())));
  stage.redis.command({"HSET", meta, "sink", must(sink->id(Clock::now() + std::chrono::seconds(20)))});
  SaleRow row;
  row.sale = stage.sale();
  row.state = SaleState::open;
  row.uuid = stage.redis.command({"HGET", meta, "uuid"}).text;
  row.fence_epoch = 1;
  row.watermark = {1, 0};
  auto transaction = must(sink->begin(OrderSink::Access::write, Clock::now() + std::chrono::seconds(20)));
  if (!transaction->put_sale(row) || !transaction->commit()) throw std::runtime_error("no row");
  const Ran ran = async_crowd(stage.pool, stage.sales(), crowd, 16'384, {}, receipts ? sink : nullptr);
  stage.check(ran.accepted);
  return ran.score();
}

const Registered kPauseSqlite{
    {"reconcile_pause_sqlite",
     "100,000 buyers, 5,000 orders behind, and the history changes: until the next order is in "
     "SQLite",
     [](Bench& bench) { measure_pauses(bench, false); }, 53}};

const Registered kPausePostgres{
    {"reconcile_pause_postgres", "the same, with PostgreSQL", [](Bench& bench) { measure_pauses(bench, true); }, 54}};

const Registered kReceipts{{"receipts", "accepting with receipts beside without; none of them is ever persisted",
                            [](Bench& bench) {
                              const Crowd crowd(bench.scaled(200'000));
                              bench.compare({"accepted_per_s", "cpu_us_per_order"},
                                            {{"flashsale", [&] { return crowd_with(true, crowd); }},
                                             {"flashsale without receipts", [&] { return crowd_with(false, crowd); }}});
                            },
                            22}};

}  // namespace
}  // namespace flashsale::bench
