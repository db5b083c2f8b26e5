/// Connections at rest, so that a transaction neither opens a file nor prepares a statement.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sinks/sqlite/connection.hpp"

namespace flashsale::sinks {

/// Thread-safe. Grows with the transactions under way at once; keeps a few.
class ConnectionCache {
 public:
  explicit ConnectionCache(std::string path) : path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  /// The connection used last, or a new one.
  std::unique_ptr<Connection> take(Deadline deadline);
  void give_back(std::unique_ptr<Connection> connection);

 private:
  const std::string path_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace flashsale::sinks
