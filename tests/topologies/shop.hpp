/// A shop that sells one sale through a topology while somebody breaks it, and the proof that it kept its word.
#pragma once

#include <array>
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
  /// Sells at `levels`, in turn by buyer; `sale` decides the slot, `replicas` is the sale's field.
  Shop(const std::string& url, std::string sale, std::vector<Level> levels, int replicas = 0);
  ~Shop();

  /// Waits until twenty more orders were won at each level than now: it sells again.
  void sell_on();
  /// At that level alone: at `replicas` nothing is told while one is missing.
  void sell_on_at(Level level);
  /// What harms nobody but the clients: its scripts are flushed, its clients cut, and it pauses. It sells after each.
  void outlive_small_faults(PrivateRedis& primary);
  /// Takes most of what is left away, sells the rest, stops, and checks all that was answered against the database.
  /// Names what was wrong.
  void finish();

 private:
  struct Heard {
    std::string buyer, order;
  };
  void buy(std::size_t thread);
  void note_problem(std::string problem);
  void leave_few();
  void check_rows();

  const std::string sale_;
  const std::vector<Level> levels_;
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
  std::array<std::atomic<std::uint64_t>, 4> won_{};  // by level
  std::mutex mutex_;
  std::vector<Heard> heard_;        // guarded by mutex_: reserved at its level, as told to buyers
  std::set<std::string> problems_;  // guarded by mutex_
  std::string last_obstacle_;       // guarded by mutex_: for a message, should nothing be sold any more
};

}  // namespace flashsale::test
