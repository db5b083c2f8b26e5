/// What a gate has heard of its sales, against a Redis that knows less. One that is gone was lost, not misspelt; one
/// that is at an earlier position than was heard of was put back, or is a node that was left behind.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "flashsale/types.hpp"

namespace flashsale::engine {

/// Bounded. Thread-safe.
class SeenSales {
 public:
  /// The sale exists under that uuid and has reached `at`, as a primary said.
  void heard(std::string_view sale, std::string_view uuid, Position at);
  /// The highest position heard of; {} of a sale, or of a uuid, that was never heard of.
  Position mark(std::string_view sale, std::string_view uuid) const;
  bool has(std::string_view sale) const;

 private:
  struct Seen {
    std::string uuid;
    Position at;
    std::uint64_t heard = 0;  // when, in the order of all that was heard
  };
  static constexpr std::size_t kMax = 4096;
  mutable std::mutex mutex_;
  std::uint64_t heard_ = 0;                         // guarded by mutex_
  std::map<std::string, Seen, std::less<>> sales_;  // guarded by mutex_
};

}  // namespace flashsale::engine
