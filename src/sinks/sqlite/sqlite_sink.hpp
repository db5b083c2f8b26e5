/// OrderSink over one SQLite file in write-ahead mode: one writer at a time, readers beside it.
#pragma once

#include <memory>
#include <string>

#include "flashsale/linked_sinks.hpp"
#include "flashsale/order_sink.hpp"
#include "sinks/process_claim.hpp"
#include "sinks/sqlite/sqlite_transaction.hpp"

namespace flashsale::sinks {

/// Thread-safe. Once used, it belongs to its process: in a forked child it answers `forked`.
class SqliteSink : public OrderSink {
 public:
  explicit SqliteSink(std::string path);

  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override;
  Result<std::string> id(Deadline deadline) override;
  std::string describe() const override;

 private:
  const std::string path_;
  const std::shared_ptr<SqliteConnections> connections_;  // also of the transactions, which may outlive the sink
  ProcessClaim claim_;
};

}  // namespace flashsale::sinks
