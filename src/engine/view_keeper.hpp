/// A gate's view of its sales: what lanes hear goes in, what callers ask comes out. core/sale_view.hpp decides.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/sale_view.hpp"
#include "flashsale/connection_pool.hpp"

namespace flashsale::engine {

/// Thread-safe. `advise` takes no lock and makes no system call.
class ViewKeeper {
 public:
  /// What to do about a call right now: core::SaleView::advise. `ask_at`, if that is to wait: until when.
  core::Advice advise(const Call& call, Answer& answer, Deadline& ask_at) noexcept;

  /// What a reply to a batch says of the sale's items; `asked_at` is the monotonic clock before it was sent. A replica
  /// may lag behind the primary, so what it says may only end a refusal.
  void heard(std::string_view sale, const core::SaleTerms& terms, const core::BatchReply& reply, bool from_replica,
             std::int64_t asked_at);

  /// Fetches the sale's filter if a refusal waits for it and it is time to look again; from a replica if there is one.
  /// One or two round trips, not past `deadline`; a failure is as if there were no filter.
  void fetch_filter(ConnectionPool& pool, std::string_view sale, Deadline deadline);

 private:
  /// A filter that some refusal needs and that is not here yet.
  struct Wanted {
    Position at;
    std::int64_t since = 0;    ///< the first look; 0: none yet
    std::int64_t look_at = 0;  ///< not before: a quarter of the time since then passes between two looks
  };
  bool is_due(std::string_view sale, std::int64_t now);
  void took(std::string_view sale, std::string_view published);

  core::SaleView view_;
  mutable std::mutex mutex_;                           // of the view's writers
  std::map<std::string, Wanted, std::less<>> wanted_;  // guarded by mutex_
  std::atomic<bool> wants_any_{false};
};

}  // namespace flashsale::engine
