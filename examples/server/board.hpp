/// The public state of sales, read from Redis at most four times a second each however many ask.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <flashsale/flashsale.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "http.hpp"

namespace server {

/// One thread reads; who asks for something older than a quarter second waits for its next reading, held. Sales that
/// are known to be there are read before what nobody heard of, and never give their place to it, so that a flood of
/// made-up names delays only itself.
class Board {
 public:
  explicit Board(std::shared_ptr<flashsale::ConnectionPool> pool);
  ~Board() { close(); }

  void show_sale(Exchange& exchange, const std::string& sale) { show(exchange, "/" + sale); }
  void show_health(Exchange& exchange) { show(exchange, "health"); }
  /// Answers everybody who waits.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  struct Card {
    Response response{};
    Clock::time_point read_at{};  ///< the epoch: never
    bool known = false;           ///< it was there once; that Redis is away makes no sale unknown
    bool queued = false;
    std::vector<Exchange*> waiting;
  };

  void show(Exchange& exchange, const std::string& name);
  bool make_room();
  void read_all();
  Response read(const std::string& name);
  Response read_sale(const std::string& sale);
  Response read_health();

  std::shared_ptr<flashsale::ConnectionPool> pool_;
  flashsale::SaleController controller_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, Card> cards_;  // guarded by mutex_
  std::deque<std::string> queue_;      // guarded by mutex_: names to read
  bool closing_ = false;               // guarded by mutex_
  std::thread thread_;
};

}  // namespace server
