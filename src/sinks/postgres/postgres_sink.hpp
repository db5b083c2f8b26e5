/// OrderSink over a PostgreSQL database: writers of different sales beside each other, readers beside all of them.
#pragma once

#include <memory>
#include <string>

#include "flashsale/order_sink.hpp"
#include "sinks/postgres/postgres_transaction.hpp"
#include "sinks/postgres/target.hpp"
#include "sinks/process_claim.hpp"

namespace flashsale::sinks::postgres {

/// Thread-safe. Once used, it belongs to its process: in a forked child it answers `forked`.
class PostgresSink : public OrderSink {
 public:
  explicit PostgresSink(const Target& target);

  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override;
  Result<std::string> id(Deadline deadline) override;
  std::string describe() const override { return name_; }

 private:
  const std::string name_;
  const std::shared_ptr<Connections> connections_;  // also of the transactions, which may outlive the sink
  ProcessClaim claim_;
};

}  // namespace flashsale::sinks::postgres
