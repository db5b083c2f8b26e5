/// Where decided requests wait until the database has what decided them: level `database`. PROTOCOL section 6.
///
///   flight --park--> by sale and position --watermark has reached it--> checked by a look: is the order dead?
///                            |            --the epoch changed---------> asked again, as at first
///                            +------------- deadline -----------------> pending
///
/// One thread a gate, which exists once somebody waits, reads each waited-for sale's watermark: a lane never waits for
/// a database.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "engine/request.hpp"
#include "flashsale/connection_pool.hpp"
#include "util/stop.hpp"

namespace flashsale::engine {

/// Thread-safe.
class Parking {
 public:
  Parking(std::shared_ptr<ConnectionPool> pool, const util::StopSource& its_threads)
      : pool_(std::move(pool)), stop_(its_threads) {}
  ~Parking() { stop(); }

  /// Takes over a decided request that is in no lane's hands; it comes back to its lane. False: not any more.
  bool park(Request* request);
  /// Answers those whose deadline has come.
  void expire();
  /// True if another request with the same key waits here and might ask again.
  bool has_copy_of(const Request& request) const;
  /// Gives everything back to the lanes and ends the thread. Idempotent.
  void stop();

 private:
  using Waiting = std::multimap<Position, Request*>;

  void watch();
  bool look_at(const std::string& sale);
  bool ripen(const std::string& sale, std::uint64_t epoch, Position watermark);

  const std::shared_ptr<ConnectionPool> pool_;
  const util::StopSource& stop_;
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::map<std::string, Waiting, std::less<>> by_sale_;  // guarded by mutex_; no sale without somebody waiting
  Deadline next_due_ = Deadline::max();                  // guarded by mutex_: no deadline is earlier
  bool stopping_ = false;                                // guarded by mutex_
  std::thread thread_;                                   // guarded by mutex_ until stop
};

}  // namespace flashsale::engine
