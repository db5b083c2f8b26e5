/// Connections at rest, so that a transaction neither opens one nor begins without what the last one learned.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "flashsale/types.hpp"

namespace flashsale::sinks {

/// Thread-safe. Grows with the transactions under way at once; keeps a few. `Connection` has `is_stale()` and
/// `wait_until(deadline)`.
template <class Connection>
class ConnectionCache {
 public:
  using Open = std::function<std::unique_ptr<Connection>(Deadline)>;

  explicit ConnectionCache(Open open) : open_(std::move(open)) {}

  /// The connection used last, or a new one.
  std::unique_ptr<Connection> take(Deadline deadline) {
    auto connection = pop();
    if (connection == nullptr || connection->is_stale()) return open_(deadline);
    connection->wait_until(deadline);
    return connection;
  }

  void give_back(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < kIdleMax) idle_.push_back(std::move(connection));
  }

 private:
  static constexpr std::size_t kIdleMax = 8;

  std::unique_ptr<Connection> pop() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    auto connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }

  const Open open_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;  // guarded by mutex_
};

}  // namespace flashsale::sinks
