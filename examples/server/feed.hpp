/// The operator's live view: one reading a second of each sale that somebody watches, sent to all who watch it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <flashsale/flashsale.hpp>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "edge_status.hpp"
#include "funnel.hpp"
#include "http.hpp"
#include "written.hpp"

namespace server {

/// The last warnings of the library, for a minute each. Thread-safe.
class Alarms {
 public:
  void add(std::string_view line);
  /// The newest first, 16 at most.
  std::vector<std::string> recent() const;

 private:
  struct Alarm {
    std::string text;
    std::chrono::steady_clock::time_point at;
  };
  mutable std::mutex mutex_;
  std::deque<Alarm> alarms_;  // guarded by mutex_
};

class Feed {
 public:
  /// `sink`: the database, or none, if what is confirmed and written down is not to be told. `edge_status`: see
  /// EdgeStatus.
  Feed(std::shared_ptr<flashsale::ConnectionPool> pool, std::shared_ptr<flashsale::OrderSink> sink, Funnel& funnel,
       const std::string& edge_status);
  ~Feed() { close(); }

  void listen(Exchange& exchange, const std::string& sale);
  void close();

  Alarms& alarms() { return alarms_; }

 private:
  using Json = nlohmann::ordered_json;
  struct Listener {
    std::string sale;
    std::shared_ptr<Stream> stream;
  };

  void tick();
  std::string frame(const std::string& sale);
  Json funnel(const std::string& sale, std::uint64_t written);

  flashsale::SaleController controller_;
  WrittenDown written_;
  Funnel& funnel_;
  EdgeStatus edge_;
  Alarms alarms_;
  std::uint64_t won_before_ = 0;  // of the ticking thread, as the next
  double won_per_s_ = 0;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Listener> listeners_;  // guarded by mutex_
  bool closing_ = false;             // guarded by mutex_
  std::thread thread_;
};

}  // namespace server
