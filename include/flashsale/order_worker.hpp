/// OrderWorker: carries journals into the database, and watches over their sales.
///
/// Its offset, the watermark, moves in the same transaction as the orders, so an order is in the database exactly
/// once whatever is killed when. Any number of workers may run on the same sales: they compare the watermark first,
/// and the slower one reads again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/error.hpp"
#include "flashsale/options.hpp"
#include "flashsale/order_sink.hpp"
#include "flashsale/types.hpp"

namespace flashsale {

/// What a worker has done so far, and what holds it up.
struct WorkerReport {
  std::uint64_t orders = 0;      ///< committed by this worker
  std::uint64_t commits = 0;     ///< transactions of this worker
  std::uint64_t dead = 0;        ///< set aside by this worker
  std::uint64_t reconciles = 0;  ///< finished by this worker
  std::uint64_t behind = 0;      ///< entries that were left in the journals at the last look, also of sales left alone
  std::string waiting_for;       ///< empty: nothing. Else the newest obstacle, for a person
};

/// Drives sales from Redis into `sink`. Thread-safe; construction does no I/O; runs on the thread that calls `run`.
class OrderWorker {
 public:
  /// `sales`: the sales to serve; none means every sale of the sink that is not retired, looked up each second.
  OrderWorker(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, WorkerOptions options = {},
              std::vector<std::string> sales = {});
  ~OrderWorker();

  /// Serves until `stop`. What can heal by itself (Redis or the database away, locked, full) is waited for, and told
  /// through log.hpp and `report`.
  /// Errors, for which waiting is no help: conflict (this is another sale's database, the journal has a fork or a gap,
  /// or the database went back), unsupported (layout, schema): that sale is left alone, the others go on, and it is
  /// looked at again after a second, then ever more seldom, up to once a minute. run returns the error only if sales
  /// were named and all of them are left alone for something else than a gap.
  [[nodiscard]] Result<Done> run();

  /// Serves until everything written before the call is in the database, or `deadline`.
  /// Errors: as run, at once; timed_out, with what it waited for.
  [[nodiscard]] Result<Done> drain(Deadline deadline);

  /// Makes `run` and `drain` return after the transaction under way; a Redis that says nothing is not waited for. Safe
  /// from any thread and from a signal handler.
  void stop() noexcept;

  /// What it has done so far. Does no I/O.
  WorkerReport report() const;

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace flashsale
