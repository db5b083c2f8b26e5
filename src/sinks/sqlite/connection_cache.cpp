#include "sinks/sqlite/connection_cache.hpp"

namespace flashsale::sinks {

constexpr std::size_t kIdleMax = 8;

std::unique_ptr<Connection> ConnectionCache::take(Deadline deadline) {
  std::unique_ptr<Connection> connection;
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (connection == nullptr || connection->is_stale()) return std::make_unique<Connection>(path_, deadline);
  connection->wait_until(deadline);
  return connection;
}

void ConnectionCache::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleMax) idle_.push_back(std::move(connection));
}

}  // namespace flashsale::sinks
