// Thousands of random verbs from threads and processes, against a model: at the end Redis, the database and the model
// agree on every order, and each unit is held once.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <random>
#include <sstream>
#include <thread>

#include "core/keyspace.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/life_actor.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

LifeReport live_in_a_process(const std::string& url, const std::string& name, std::uint64_t seed, std::size_t acts) {
  const std::string command = fmt::format("'{}/life_actor' '{}' {} {} {}", FLASHSALE_BIN_DIR, url, name, seed, acts);
  std::FILE* const out = popen(command.c_str(), "r");
  if (out == nullptr) return {{}, {"no process"}};
  std::string lines;
  std::array<char, 4096> buffer;
  for (std::size_t size; (size = std::fread(buffer.data(), 1, buffer.size(), out)) > 0;)
    lines.append(buffer.data(), size);
  LifeReport report = from_lines(lines);
  if (pclose(out) != 0) report.complaints.push_back(name + " failed");
  return report;
}

/// The seed is new in every run, unless FLASHSALE_SEED repeats one.
std::uint64_t seed_of_this_run() {
  if (const char* given = std::getenv("FLASHSALE_SEED")) return std::strtoull(given, nullptr, 10);
  return std::random_device{}();
}

char letter(OrderState state) {
  return state == OrderState::reserved    ? 'r'
         : state == OrderState::confirmed ? 'c'
         : state == OrderState::released  ? 'd'
                                          : 'e';
}

/// What every order became, as each of the three says it: `<order> <buyer> <item> <quantity> <state>`.
std::map<std::string, std::string> in_database(ServedSale& sale) {
  std::map<std::string, std::string> all;
  for (const OrderRow& row : sale.orders())
    all[to_string(row.order.id)] =
        fmt::format("{} {} {} {}", row.order.buyer, row.order.item, row.order.quantity, letter(row.state));
  return all;
}

std::map<std::string, std::string> in_model(const Lives& lives) {
  std::map<std::string, std::string> all;
  for (const auto& [order, lived] : lives)
    all[order] = fmt::format("{} {} {} {}", lived.first, lived.second.item, lived.second.quantity,
                             static_cast<char>(lived.second.life));
  return all;
}

/// Redis' records, line by line, with items by name; and what each item has booked by them.
std::map<std::string, std::string> in_redis(ServedSale& sale, std::map<std::string, std::int64_t>& booked) {
  std::map<std::string, std::string> all;
  for (const auto& [buyer, record] : sale.hash(core::Keys(sale.id).buyers)) {
    if (buyer == "#") continue;
    std::istringstream lines(record);
    std::string line;
    std::getline(lines, line);  // the head
    while (std::getline(lines, line)) {
      std::istringstream words(line);
      std::string request, item, quantity, index, at, state;
      words >> request >> item >> quantity >> index >> at >> state;
      const std::string name = sale.row().items[std::stoul(item) - 1].item;
      all[at + "." + index] = fmt::format("{} {} {} {}", buyer, name, quantity, state);
      if (state == "r" || state == "c") booked[name] += std::stoll(quantity);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("random verbs from threads and processes end with Redis, database and model equal") {
  const std::uint64_t seed = seed_of_this_run();
  CAPTURE(seed);
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"item-0", 30, 3, 0}, {"item-1", 20, 3, 0}};
  terms.hold_ms = 300;
  ServedSale sale(redis, terms);

  OrderWorker first(sale.pool, sale.sink, {}, {sale.id}), second(sale.pool, open_sink(sale.db_url()), {}, {sale.id});
  std::thread workers[] = {std::thread([&] { static_cast<void>(first.run()); }),
                           std::thread([&] { static_cast<void>(second.run()); })};
  std::vector<std::future<LifeReport>> actors;
  for (std::uint64_t i = 0; i < 4; ++i) {
    LifePlan plan;
    plan.name = fmt::format("t{}", i);
    plan.seed = seed + i;
    plan.acts = 1000;
    actors.push_back(std::async(std::launch::async, [plan, pool = sale.pool] { return live(pool, plan); }));
    actors.push_back(std::async(std::launch::async, [&, i] {
      return live_in_a_process(redis.url(), fmt::format("p{}", i), seed + 100 + i, 1000);
    }));
  }
  Lives lives;
  for (auto& actor : actors) {
    LifeReport report = actor.get();
    for (const std::string& complaint : report.complaints) FAIL_CHECK(complaint);
    lives.merge(report.lives);
  }
  // What is open ends by its hold; then only the guard is left.
  const std::string holds = core::Keys(sale.id).holds;
  CHECK(eventually([&] { return redis.command({"ZCARD", holds}).integer == 1; }, milliseconds{30'000}));
  first.stop();
  second.stop();
  for (auto& thread : workers) thread.join();
  OrderWorker last(sale.pool, sale.sink, {}, {sale.id});
  const auto drained = last.drain(soon());
  REQUIRE_MESSAGE(drained, (drained ? std::string() : to_string(drained.error())));
  for (auto& [order, lived] : lives)
    if (lived.second.life == Life::open) lived.second.life = Life::expired;

  std::map<std::string, std::int64_t> booked;
  const auto model = in_model(lives), stored = in_database(sale), held = in_redis(sale, booked);
  CHECK(model.size() >= 17);  // fifty units in orders of three at most; what comes back in time only adds to that
  CHECK(model == stored);
  CHECK(model == held);
  CHECK(sale.dead().empty());
  const SaleRow row = sale.row();
  for (std::size_t i = 0; i < row.items.size(); ++i) {
    const ItemRow& item = row.items[i];
    CHECK(item.sold == booked[item.item]);
    CHECK(sale.meta(fmt::format("booked:{}", i + 1)) == std::to_string(item.sold));
    CHECK(item.sold <= item.total);
  }
}

TEST_CASE("a sale flushed in mid-life comes back with what the database had, and sells the rest exactly") {
  PrivateRedis redis;
  ServedTerms terms;
  terms.items = {{"shoe", 20, 5, 0}};
  terms.hold_ms = 600'000;
  ServedSale sale(redis, terms);
  StockGate gate(sale.pool, {milliseconds{20'000}});
  const auto order = [](const std::string& buyer) {
    return OrderKey{SaleId{"spring"}, BuyerId{buyer}, RequestId{"click"}};
  };
  const auto drain = [&] {
    OrderWorker worker(sale.pool, sale.sink, {}, {sale.id});
    const auto drained = worker.drain(soon());
    REQUIRE_MESSAGE(drained, (drained ? std::string() : to_string(drained.error())));
  };
  sale.sell_to_crowd("a", 10);
  for (const char* buyer : {"a0", "a1", "a2"}) REQUIRE(gate.confirm(order(buyer), {{}, Level::primary}));
  for (const char* buyer : {"a3", "a4"}) REQUIRE(gate.release(order(buyer)));
  drain();
  sale.sell_to_crowd("lost", 4);
  redis.command({"FLUSHALL"});
  drain();
  CHECK(sale.meta("epoch") == "2");
  CHECK(sale.meta("booked:1") == "8");
  CHECK(gate.resolve(order("a0"))->outcome == Outcome::already_confirmed);
  CHECK(gate.resolve(order("a3"))->outcome == Outcome::already_released);
  CHECK(gate.resolve(order("a9"))->outcome == Outcome::already_reserved);
  CHECK(gate.resolve(order("lost0"))->outcome == Outcome::not_reserved);
  CHECK(gate.release(order("a9"))->outcome == Outcome::released);
  CHECK(gate.confirm(order("a8"), {{}, Level::primary})->outcome == Outcome::confirmed);
  drain();
  CHECK(eventually([&] { return sale.sell({{"b0", "click"}}) == "a"; }));
  sale.sell_to_crowd("c", 12);
  CHECK(sale.sell({{"late", "click"}}) == "s");
  drain();
  CHECK(sale.row().items[0].sold == 20);
  CHECK(sale.meta("booked:1") == "20");
}
