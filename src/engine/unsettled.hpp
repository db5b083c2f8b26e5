/// Requests that were answered `unknown`: until when, by Redis' clock, a copy of each may still win.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace flashsale::engine {

/// Bounded; when it is full, the forgotten ones are covered by the latest time forgotten. Thread-safe.
class Unsettled {
 public:
  void add(std::string_view key, std::int64_t until_ms);
  /// The latest time at which a copy of `key` may still win; 0: none is known.
  std::int64_t until_ms(std::string_view key) const;

 private:
  static constexpr std::size_t kMax = 65'536;
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::int64_t> until_;  // guarded by mutex_
  std::int64_t latest_forgotten_ms_ = 0;                 // guarded by mutex_
};

}  // namespace flashsale::engine
