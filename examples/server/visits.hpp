/// The connections that are open, each with the time by which something must have happened: libmicrohttpd's own
/// timeout starts anew with each byte, so a client that sends one byte a minute would stay for ever.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <unordered_set>

namespace server {

struct Visit {
  int fd = -1;
  std::atomic<std::int64_t> due_ms{0};  ///< by the steady clock; 0: nothing is due
};

class Visits {
 public:
  Visits();
  ~Visits();

  Visit* arrive(int fd, int within_ms);
  void leave(Visit* visit);
  static void expect(Visit& visit, int within_ms);  ///< 0: nothing
  std::size_t count() const;

 private:
  void watch();

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::unordered_set<Visit*> visits_;  // guarded by mutex_; owns them
  bool stopping_ = false;              // guarded by mutex_
  std::thread thread_;
};

}  // namespace server
