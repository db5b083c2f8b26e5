/// OrderSink over one SQLite file in write-ahead mode: one writer at a time, readers beside it.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "flashsale/linked_sinks.hpp"
#include "flashsale/order_sink.hpp"
#include "sinks/sqlite/connection_cache.hpp"

namespace flashsale::sinks {

/// Thread-safe. Once used, it belongs to its process: in a forked child it answers `forked`.
class SqliteSink : public OrderSink {
 public:
  explicit SqliteSink(std::string path) : connections_(std::make_shared<ConnectionCache>(std::move(path))) {}

  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override;
  Result<std::string> id(Deadline deadline) override;
  std::string describe() const override;

 private:
  void claim();

  std::shared_ptr<ConnectionCache> connections_;  // also of the transactions, which may outlive the sink
  std::atomic<pid_t> user_{0};
};

}  // namespace flashsale::sinks
