/// A worker that runs on a thread of its own, to the end of its scope at the latest.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "flashsale/order_worker.hpp"

namespace flashsale::test {

class RunningWorker {
 public:
  /// As OrderWorker's.
  RunningWorker(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, WorkerOptions options = {},
                std::vector<std::string> sales = {})
      : worker_(std::move(pool), std::move(sink), options, std::move(sales)),
        thread_([this] { result_ = worker_.run(); }) {}
  ~RunningWorker() { stop(); }
  RunningWorker(const RunningWorker&) = delete;
  RunningWorker& operator=(const RunningWorker&) = delete;

  OrderWorker* operator->() { return &worker_; }
  /// What `run` returned.
  Result<Done> stop() {
    worker_.stop();
    if (thread_.joinable()) thread_.join();
    return result_;
  }

 private:
  OrderWorker worker_;
  Result<Done> result_;
  std::thread thread_;
};

}  // namespace flashsale::test
