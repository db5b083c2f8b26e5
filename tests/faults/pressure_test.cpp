// Servers that are slow, forgetful or full while a sale runs: every won order survives, none is sold twice.
#include <doctest/doctest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "flashsale/order_worker.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/private_redis.hpp"
#include "support/raw_sale.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

Call click(std::string_view buyer, std::string_view request, milliseconds timeout) {
  Call call{SaleId{"spring"}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{request}};
  call.timeout = timeout;
  return call;
}

WorkerOptions quick() {
  WorkerOptions options;
  options.call_timeout = milliseconds{200};
  options.watch_every = milliseconds{50};
  return options;
}

/// A database that refuses to begin while it is told to, as one does that is full or read-only.
class MoodySink : public OrderSink {
 public:
  explicit MoodySink(std::shared_ptr<OrderSink> good) : good_(std::move(good)) {}
  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override {
    if (refusing && access == Access::write) return fail(ErrorCode::refused, "the disk is full");
    return good_->begin(access, deadline);
  }
  Result<std::string> id(Deadline deadline) override { return good_->id(deadline); }
  std::string describe() const override { return good_->describe(); }

  std::atomic<bool> refusing{false};

 private:
  std::shared_ptr<OrderSink> good_;
};

}  // namespace

TEST_SUITE("faults/pressure") {
  TEST_CASE("scripts flushed again and again under load: no caller hears of it, and the stock is sold exactly") {
    PrivateRedis redis;
    auto pool = make_pool(redis.url()).value();
    make_raw_sale(*pool, Sale{SaleId{"spring"}}.item(ItemId{"shoe"}, 300, 1));
    StockGate gate(pool);
    std::atomic<int> sold{0}, answered{0}, flushed{0}, left{8};
    std::mutex mutex;
    std::vector<std::string> failures;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i) {
          const std::string buyer = "b" + std::to_string(t * 50 + i);
          const auto answer = gate.reserve(click(buyer, "r", milliseconds{20'000}));
          const int mine = ++answered;
          while (flushed < mine) std::this_thread::yield();  // so that each call meets scripts that are gone
          if (answer) {
            if (answer->holds_stock()) ++sold;
          } else {
            const std::lock_guard lock(mutex);
            failures.push_back(to_string(answer.error()));
          }
        }
        --left;
      });
    }
    // Flushed after every answer: who flushes faster than a client can load and call lets nobody through.
    int flushes = 0;
    while (left > 0) {
      const int seen = answered;
      if (seen == flushed) {
        std::this_thread::yield();
        continue;
      }
      redis.command({"SCRIPT", "FLUSH"});
      flushed = seen;
      ++flushes;
    }
    for (auto& thread : threads) thread.join();
    for (const auto& failure : failures) FAIL_CHECK(failure);
    CHECK(flushes > 20);
    CHECK(sold == 300);
    CHECK(redis.command({"HGET", "fs:{spring}:meta", "booked:1"}).text == "300");
  }

  TEST_CASE("a Redis slower than the deadline: what was unknown, asked again, was sold once") {
    PrivateRedis redis({"--enable-debug-command", "yes"});
    auto pool = make_pool(redis.url()).value();
    make_raw_sale(*pool, Sale{SaleId{"spring"}}.item(ItemId{"shoe"}, 100, 1));
    StockGate gate(pool);
    REQUIRE(gate.reserve(click("warm", "r", milliseconds{5'000})));
    std::thread sleeper([&] { redis.command({"DEBUG", "SLEEP", "0.3"}); });
    std::vector<std::string> open;
    for (int i = 0; i < 10; ++i) {
      const std::string buyer = "b" + std::to_string(i);
      if (!gate.reserve(click(buyer, "r", milliseconds{40}))) open.push_back(buyer);
    }
    sleeper.join();
    for (const auto& buyer : open) {
      const auto answer = gate.reserve(click(buyer, "r", milliseconds{10'000}));
      REQUIRE_MESSAGE(answer, (answer ? "" : to_string(answer.error())));
      CHECK(answer->holds_stock());
    }
    CHECK(redis.command({"HGET", "fs:{spring}:meta", "booked:1"}).text == "11");
  }

  TEST_CASE("a locked database is waited for, told, and gone on from alone") {
    PrivateRedis redis;
    ServedSale sale(redis);
    {
      auto lock = sale.sink->begin(OrderSink::Access::write, soon());
      REQUIRE(lock);
      REQUIRE((*lock)->lock_sale(SaleId{sale.id}));
      sale.sell_to_crowd("a", 20);
      RunningWorker worker(sale.pool, sale.sink, quick(), {sale.id});
      CHECK(eventually([&] { return !worker->report().waiting_for.empty(); }));
      CHECK(worker->report().orders == 0);
      lock->reset();
      CHECK(eventually([&] { return worker->report().orders == 20; }));
    }
    sale.check_database();
  }

  TEST_CASE("a full database loses nothing: the orders wait in Redis until it takes them") {
    PrivateRedis redis;
    ServedSale sale(redis);
    const auto moody = std::make_shared<MoodySink>(sale.sink);
    {
      moody->refusing = true;
      RunningWorker worker(sale.pool, moody, quick(), {sale.id});
      sale.sell_to_crowd("a", 20);
      CHECK(eventually([&] { return worker->report().waiting_for.find("full") != std::string::npos; }));
      CHECK(sale.orders().empty());
      moody->refusing = false;
      CHECK(eventually([&] { return worker->report().orders == 20; }));
    }
    sale.check_database();
  }
}
