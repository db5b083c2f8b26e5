/// What every method of a transaction is wrapped in, whatever the database.
///
///   usable --a method fails--> failed: only destruction is left
///      \----commit-----------> committed: the same
#pragma once

#include <unistd.h>

#include <cstdint>

#include "flashsale/order_sink.hpp"
#include "sinks/failure.hpp"

namespace flashsale::sinks {

enum class Touch : std::uint8_t { reads, writes };

/// Thread-bound, as its transaction.
class TransactionFrame {
 public:
  explicit TransactionFrame(OrderSink::Access access) : access_(access) {}

  /// Runs `work` and returns its value, or what it threw; refuses after a failure, a commit or a fork. After a failure
  /// a database may have rolled back by itself, and one more statement would commit alone.
  template <class Work>
  auto attempt(Touch touch, Work work) -> decltype(guarded(work)) {
    auto result = guarded([&] {
      check_usable(touch);
      return work();
    });
    failed_ |= !result.has_value();
    return result;
  }

  void committed() { committed_ = true; }
  bool is_over() const { return committed_; }
  bool has_failed() const { return failed_; }
  bool is_forked() const { return pid_ != getpid(); }
  bool may_write() const { return access_ == OrderSink::Access::write; }

 private:
  void check_usable(Touch touch) const {
    if (is_forked()) fail_with(ErrorCode::forked, "the transaction began before the fork");
    if (committed_) fail_with(ErrorCode::closed, "the transaction is over");
    if (failed_) fail_with(ErrorCode::closed, "the transaction has failed");
    if (touch == Touch::writes && !may_write()) {
      fail_with(ErrorCode::internal, "a transaction for reading cannot write");
    }
  }

  const OrderSink::Access access_;
  const pid_t pid_ = getpid();
  bool committed_ = false;
  bool failed_ = false;
};

}  // namespace flashsale::sinks
