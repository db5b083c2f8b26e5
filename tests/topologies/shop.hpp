/// A shop that sells one sale through a topology while somebody breaks it, and the proof that it kept its word.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "flashsale/flashsale.hpp"
#include "support/private_redis.hpp"

namespace flashsale::test {

/// Buyers on threads of their own, a worker on another, until `finish`. Throws where the sale cannot be made.
class Shop {
 public:
  /// Sells at `level`; `sale` decides the slot, `replicas` is the sale's field.
  Shop(const std::string& url, std::string sale, Level level, int replicas = 0);
  ~Shop();

  /// Waits until so many more orders were won than now: it sells again.
  void sell_on(std::size_t orders = 20);
  /// It sells again after `node` forgot its scripts, and again after it cut all its clients.
  void sell_through_flush_and_cut(PrivateRedis& node);
  /// And again after `node` said nothing for longer than a lane is patient.
  void sell_through_pause(PrivateRedis& node);
  /// Takes most of what is left away, sells the rest, stops, and checks all that was answered against the database.
  /// Names what was wrong.
  void finish();

  std::uint64_t won() const { return won_.load(); }

 private:
  struct Heard {
    std::string buyer, order;
  };
  void buy(std::size_t thread);
  void note_problem(std::string problem);
  void leave_few();
  void check_rows();

  const std::string sale_;
  const Level level_;
  std::string dir_;
  std::shared_ptr<ConnectionPool> pool_, worker_pool_;
  std::shared_ptr<OrderSink> sink_, worker_sink_;
  std::unique_ptr<SaleController> controller_;
  std::unique_ptr<StockGate> gate_;
  std::unique_ptr<OrderWorker> worker_;
  std::thread worker_thread_;
  std::vector<std::thread> buyers_;
  std::atomic<bool> stop_{false};
  std::atomic<bool> sold_out_{false};
  std::atomic<std::uint64_t> won_{0};
  std::mutex mutex_;
  std::vector<Heard> heard_;        // guarded by mutex_: reserved at level_, as told to buyers
  std::set<std::string> problems_;  // guarded by mutex_
  std::string last_obstacle_;       // guarded by mutex_: for a message, should nothing be sold any more
};

}  // namespace flashsale::test
