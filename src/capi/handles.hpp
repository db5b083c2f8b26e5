/// What is behind each handle. A mark in front tells the kinds apart, so that a wrong one is an error and not a crash.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "capi/fork_mark.hpp"
#include "capi/options.hpp"
#include "flashsale/completion_queue.hpp"
#include "flashsale/flashsale.h"
#include "flashsale/order_worker.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/sale_controller.hpp"
#include "flashsale/stock_gate.hpp"

namespace flashsale::capi {

enum class Kind : std::uint32_t { error = 1, options, pool, sink, sale, controller, completions, gate, worker };

/// The first base of every handle. Volatile, so that the compiler keeps the last write: a stale pointer is then found
/// out for as long as nobody else was given the memory.
template <Kind kind>
class Handle {
 public:
  Handle() = default;
  ~Handle() { retire(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  bool is_valid() const { return mark_ == kMark; }
  void retire() { mark_ = 0; }
  /// True if it must not be destroyed here, since its locks and threads are the parent's.
  bool is_foreign() const { return false; }

 private:
  static constexpr std::uint64_t kMark = 0x666c617368000000 + static_cast<std::uint64_t>(kind);
  volatile std::uint64_t mark_ = kMark;
};

}  // namespace flashsale::capi

struct flashsale_error_t : flashsale::capi::Handle<flashsale::capi::Kind::error> {
  static constexpr auto kNoun = "error";
  explicit flashsale_error_t(flashsale::Error error_given) : error(std::move(error_given)) {}
  const flashsale::Error error;
};

struct flashsale_options_t : flashsale::capi::Handle<flashsale::capi::Kind::options> {
  static constexpr auto kNoun = "options";
  flashsale::capi::Values values;
};

struct flashsale_pool_t : flashsale::capi::Handle<flashsale::capi::Kind::pool> {
  static constexpr auto kNoun = "pool";
  std::shared_ptr<flashsale::ConnectionPool> pool;
};

struct flashsale_sink_t : flashsale::capi::Handle<flashsale::capi::Kind::sink> {
  static constexpr auto kNoun = "sink";
  std::shared_ptr<flashsale::OrderSink> sink;
};

struct flashsale_sale_t : flashsale::capi::Handle<flashsale::capi::Kind::sale> {
  static constexpr auto kNoun = "sale";
  explicit flashsale_sale_t(flashsale::Sale sale_given) : sale(std::move(sale_given)) {}
  flashsale::Sale sale;
};

struct flashsale_controller_t : flashsale::capi::Handle<flashsale::capi::Kind::controller> {
  static constexpr auto kNoun = "controller";
  explicit flashsale_controller_t(flashsale::SaleController given) : controller(std::move(given)) {}
  flashsale::SaleController controller;
};

struct flashsale_completions_t : flashsale::capi::Handle<flashsale::capi::Kind::completions> {
  static constexpr auto kNoun = "completions";
  explicit flashsale_completions_t(std::size_t depth) : queue(std::make_shared<flashsale::CompletionQueue>(depth)) {}
  bool is_foreign() const { return mark.is_foreign(); }
  flashsale::capi::ForkMark mark;
  std::shared_ptr<flashsale::CompletionQueue> queue;  // shared with whom the log wakes
};

struct flashsale_gate_t : flashsale::capi::Handle<flashsale::capi::Kind::gate> {
  static constexpr auto kNoun = "gate";
  flashsale_gate_t(std::shared_ptr<flashsale::ConnectionPool> pool, std::shared_ptr<flashsale::OrderSink> sink,
                   flashsale::GateOptions options)
      : gate(std::move(pool), std::move(sink), options) {}
  flashsale::StockGate gate;
};

struct flashsale_worker_t : flashsale::capi::Handle<flashsale::capi::Kind::worker> {
  static constexpr auto kNoun = "worker";
  flashsale_worker_t(std::shared_ptr<flashsale::ConnectionPool> pool, std::shared_ptr<flashsale::OrderSink> sink,
                     const flashsale::capi::Values& values)
      : worker(std::move(pool), std::move(sink), values.worker, values.worker_sales()) {}
  bool is_foreign() const { return mark.is_foreign(); }
  flashsale::capi::ForkMark mark;
  flashsale::OrderWorker worker;
};
