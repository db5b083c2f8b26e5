/// The worker's part of the view: keeps the winners' filter of one sale and publishes it. PROTOCOL section 9.
///
///   nobody is refused --------------------------> nothing to do
///   somebody is, and the filter covers less ----> follow the journal   (its entries are still there)
///                                            \--> scan all buyers      (they are not: a few pages a step)
///                     then, once it covers all -> publish.lua
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/sale_meta.hpp"
#include "core/winners_filter.hpp"
#include "flashsale/connection_pool.hpp"

namespace flashsale::engine {

/// Thread-bound.
class WinnersPublisher {
 public:
  WinnersPublisher(std::shared_ptr<ConnectionPool> pool, std::string sale)
      : pool_(std::move(pool)), sale_(std::move(sale)) {}

  /// One step, and how long to wait before the next. What goes wrong is tried again: without a filter gates ask Redis,
  /// which is slower and just as right. Blocks for a few round trips, not past `deadline`.
  milliseconds step(Deadline deadline);

 private:
  bool follow(Position to, Deadline deadline);
  void begin_scan(const core::SaleMeta& meta, std::size_t buyers);
  bool scan(Deadline deadline);
  bool publish(const std::string& uuid, Deadline deadline);

  std::shared_ptr<ConnectionPool> pool_;
  std::string sale_;
  std::string uuid_;  // of the sale that the filter is of
  std::optional<core::WinnersFilter> filter_;
  Position seen_at_;                   // where the sale was at the last look
  Position covers_;                    // what the filter covers, once no scan is under way
  std::optional<std::string> cursor_;  // of a scan under way
};

}  // namespace flashsale::engine
