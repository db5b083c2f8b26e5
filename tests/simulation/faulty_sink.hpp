/// A database whose commits may fail, or happen without anybody hearing of it, and whose process may be killed.
#pragma once

#include <memory>
#include <utility>

#include "simulation/network.hpp"
#include "support/forwarding_transaction.hpp"
#include "support/memory_sink.hpp"

namespace flashsale::simulation {

/// `crashes`: the process that commits may be killed at it.
class FaultyTransaction : public test::ForwardingTransaction {
 public:
  FaultyTransaction(Network& network, std::unique_ptr<SinkTransaction> inner, bool crashes)
      : ForwardingTransaction(std::move(inner)), network_(network), crashes_(crashes) {}

  Result<Done> commit() override {
    if (network_.is_healed()) return inner_->commit();
    const bool crashes = crashes_ && network_.faults().crash, fails = network_.faults().database;
    if (crashes && network_.chance(15)) throw Crash{};
    if (fails && network_.chance(30)) return fail(ErrorCode::disconnected, "the simulated database is gone");
    auto done = inner_->commit();
    if (crashes && network_.chance(15)) throw Crash{};
    if (fails && network_.chance(30)) {
      ++network_.seen["commit unheard"];
      return fail(ErrorCode::disconnected, "the simulated database did not answer", Effect::unknown);
    }
    return done;
  }

 private:
  Network& network_;
  const bool crashes_;
};

class FaultySink : public OrderSink {
 public:
  FaultySink(Network& network, std::shared_ptr<test::MemorySink> inner, bool crashes)
      : network_(network), inner_(std::move(inner)), crashes_(crashes) {}

  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override {
    if (network_.faults().database && !network_.is_healed() && network_.chance(20))
      return fail(ErrorCode::disconnected, "the simulated database is away");
    auto inner = inner_->begin(access, deadline);
    if (!inner) return tl::unexpected<Error>(std::move(inner.error()));
    return std::make_unique<FaultyTransaction>(network_, std::move(*inner), crashes_);
  }
  Result<std::string> id(Deadline deadline) override { return inner_->id(deadline); }
  std::string describe() const override { return inner_->describe(); }

 private:
  Network& network_;
  std::shared_ptr<test::MemorySink> inner_;
  const bool crashes_;
};

}  // namespace flashsale::simulation
