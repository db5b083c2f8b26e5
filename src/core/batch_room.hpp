/// When a batch is full: by its number of requests, by its bytes, and by what its journal entry costs Redis.
///
/// Redis keeps an entry of that size in one piece of memory, and its allocator has four sizes to a doubling: an entry
/// that is a little larger than one of them wastes a fifth. So a batch that is three quarters full ends where the next
/// request would need the next size: Redis' memory a winner falls by up to 10 %, and what a batch pays once is shared
/// by a few requests less.
#pragma once

#include <cstddef>

#include "core/reserve_codec.hpp"

namespace flashsale::core {

/// The piece of memory that Redis' allocator (jemalloc) hands out for so many bytes.
std::size_t allocated_for(std::size_t bytes);

class BatchRoom {
 public:
  explicit BatchRoom(std::size_t requests_max) : requests_max_(requests_max) {}

  /// Takes a request in; false: the batch ends before it.
  bool take(const Asked& asked);

 private:
  const std::size_t requests_max_;
  std::size_t requests_ = 0;
  std::size_t bytes_ = 0;        // as the caller gave them
  std::size_t entry_bytes_ = 0;  // in the journal
};

}  // namespace flashsale::core
