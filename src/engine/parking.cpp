#include "engine/parking.hpp"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "core/keyspace.hpp"
#include "core/numbers.hpp"
#include "core/positions.hpp"
#include "engine/lane.hpp"
#include "engine/script_runner.hpp"
#include "util/deadline.hpp"
#include "util/thread.hpp"

namespace flashsale::engine {
namespace {

constexpr milliseconds kLookAgainMin{1};
constexpr milliseconds kLookAgainMax{10};
constexpr milliseconds kLookTimeout{250};

/// Hands requests back to the lanes they came from.
class Returns {
 public:
  void add(Request* request) { by_lane_[request->home].push_back(request); }
  void enqueue() {
    for (auto& [lane, requests] : by_lane_) lane->enqueue(requests);
  }
  void expire() {
    for (auto& [lane, requests] : by_lane_) lane->answer_expired(requests);
  }

 private:
  std::map<Lane*, RequestList> by_lane_;
};

}  // namespace

bool Parking::park(Request* request) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) return false;
    if (!thread_.joinable()) {
      try {
        thread_ = util::start_thread("flashsale-park", [this] {
          const util::StopScope scope(stop_);
          watch();
        });
      } catch (const std::system_error&) {
        return false;
      }
    }
    by_sale_[std::string(request->sale())].emplace(request->needs, request);
    next_due_ = std::min(next_due_, request->deadline);
  }
  work_.notify_one();
  return true;
}

void Parking::expire() {
  Returns due;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Deadline now = util::Clock::now();
    if (now < next_due_) return;
    next_due_ = Deadline::max();
    for (auto sale = by_sale_.begin(); sale != by_sale_.end();) {
      Waiting& waiting = sale->second;
      for (auto at = waiting.begin(); at != waiting.end();) {
        if (at->second->deadline <= now) {
          due.add(at->second);
          at = waiting.erase(at);
        } else {
          next_due_ = std::min(next_due_, at->second->deadline);
          ++at;
        }
      }
      sale = waiting.empty() ? by_sale_.erase(sale) : std::next(sale);
    }
  }
  due.expire();
}

bool Parking::has_copy_of(const Request& request) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto sale = by_sale_.find(request.sale());
  if (sale == by_sale_.end()) return false;
  return std::any_of(sale->second.begin(), sale->second.end(), [&](const auto& at) {
    return at.second->verb == Verb::reserve && at.second->key() == request.key();
  });
}

void Parking::stop() {
  std::thread thread;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    thread.swap(thread_);
  }
  work_.notify_all();
  if (thread.joinable()) thread.join();
  Returns left;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (auto& [sale, waiting] : by_sale_)
      for (auto& [needs, request] : waiting) left.add(request);
    by_sale_.clear();
  }
  left.enqueue();
}

void Parking::watch() {
  milliseconds pause = kLookAgainMin;
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    if (by_sale_.empty()) {
      work_.wait(lock);
      continue;
    }
    std::vector<std::string> sales;
    for (const auto& [sale, waiting] : by_sale_) sales.push_back(sale);
    lock.unlock();
    bool moved = false;
    for (const std::string& sale : sales)
      if (!util::stop_requested()) moved |= look_at(sale);
    lock.lock();
    pause = moved ? kLookAgainMin : std::min(pause * 2, kLookAgainMax);
    work_.wait_for(lock, pause, [this] { return stopping_; });
  }
}

/// True if anybody need not wait any more. While Redis is away or the sale is fenced they wait on.
bool Parking::look_at(const std::string& sale) {
  const core::Keys keys(sale);
  const auto read =
      read_at_primary(*pool_, sale, {{"HMGET", keys.meta, "epoch", "watermark"}}, util::Clock::now() + kLookTimeout);
  if (!read || read->replies[0].elements.size() != 2) return false;
  const auto epoch = core::to_number<std::uint64_t>(read->replies[0].elements[0].text);
  const auto watermark = core::to_position(read->replies[0].elements[1].text);
  return epoch && watermark && ripen(sale, *epoch, *watermark);
}

bool Parking::ripen(const std::string& sale, std::uint64_t epoch, Position watermark) {
  Returns ripe;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = by_sale_.find(sale);
    if (found == by_sale_.end()) return false;
    Waiting& waiting = found->second;
    // Of an earlier epoch nothing is proven by a watermark of this one: Redis lost its history in between.
    const auto end =
        watermark.epoch == epoch ? waiting.upper_bound(watermark) : waiting.lower_bound(Position{epoch, 0});
    if (end == waiting.begin()) return false;
    for (auto at = waiting.begin(); at != end; at = waiting.erase(at)) {
      at->second->checking = at->first.epoch == epoch && at->first <= watermark;
      ripe.add(at->second);
    }
    if (waiting.empty()) by_sale_.erase(found);
  }
  ripe.enqueue();
  return true;
}

}  // namespace flashsale::engine
