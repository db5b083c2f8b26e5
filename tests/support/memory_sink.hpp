/// A sink that a user could have written: everything in memory, one writer at a time, a copy a transaction. Passes the
/// conformance suite; the simulator puts its faults around it.
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "flashsale/order_sink.hpp"

namespace flashsale::test {

/// One sale's rows.
struct MemorySale {
  SaleRow row;
  std::map<OrderId, OrderRow> orders;
  std::map<std::pair<std::string, std::string>, OrderId> by_request;    // buyer, request
  std::map<std::pair<std::string, std::string>, std::int64_t> holding;  // buyer, item
  std::map<OrderId, DeadRow> dead;
  std::map<std::string, OperationRow> operations;
  std::vector<RepairRow> repairs;
  std::map<std::pair<Verb, OrderId>, Receipt> receipts;
  std::map<std::string, ReceiptHolder> holders;
};
using MemoryRows = std::map<std::string, MemorySale, std::less<>>;

class MemorySink : public OrderSink, public std::enable_shared_from_this<MemorySink> {
 public:
  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override;
  Result<std::string> id(Deadline deadline) override;
  std::string describe() const override { return "memory"; }

  /// What is committed.
  MemoryRows rows() const;

 private:
  friend class MemoryTransaction;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  MemoryRows rows_;          // guarded by mutex_
  bool is_written_ = false;  // guarded by mutex_: a writing transaction is open
};

}  // namespace flashsale::test
