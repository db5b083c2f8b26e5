/// A database whose commits may fail, or happen without anybody hearing of it, and whose process may be killed.
#pragma once

#include <memory>
#include <utility>

#include "simulation/network.hpp"
#include "support/memory_sink.hpp"

namespace flashsale::simulation {

class FaultyTransaction : public SinkTransaction {
 public:
  FaultyTransaction(Network& network, std::unique_ptr<SinkTransaction> inner)
      : network_(network), inner_(std::move(inner)) {}

  Result<std::optional<SaleRow>> lock_sale(SaleId sale) override { return inner_->lock_sale(sale); }
  Result<Done> put_sale(const SaleRow& row) override { return inner_->put_sale(row); }
  Result<std::vector<SaleRow>> sales(bool with_retired) override { return inner_->sales(with_retired); }
  Result<std::vector<Insert>> insert_orders(SaleId sale, const Order* orders, std::size_t count) override {
    return inner_->insert_orders(sale, orders, count);
  }
  Result<std::vector<bool>> move_orders(SaleId sale, OrderState to, const Order* orders, std::size_t count) override {
    return inner_->move_orders(sale, to, orders, count);
  }
  Result<std::vector<OrderRow>> orders_by_buyer(SaleId sale, std::string_view after, std::size_t count) override {
    return inner_->orders_by_buyer(sale, after, count);
  }
  Result<std::optional<OrderRow>> find_order(SaleId sale, BuyerId buyer, RequestId request) override {
    return inner_->find_order(sale, buyer, request);
  }
  Result<std::vector<OrderRow>> uncredited(SaleId sale, std::size_t count) override {
    return inner_->uncredited(sale, count);
  }
  Result<Done> mark_credited(SaleId sale, const OrderId* orders, std::size_t count) override {
    return inner_->mark_credited(sale, orders, count);
  }
  Result<Done> set_aside(SaleId sale, const DeadRow& dead) override { return inner_->set_aside(sale, dead); }
  Result<std::vector<DeadRow>> dead(SaleId sale, bool only_untold) override { return inner_->dead(sale, only_untold); }
  Result<bool> decide_dead(SaleId sale, const DeadRow& decided) override { return inner_->decide_dead(sale, decided); }
  Result<Done> mark_told(SaleId sale, const DeadRow* rows, std::size_t count) override {
    return inner_->mark_told(sale, rows, count);
  }
  Result<bool> put_operation(SaleId sale, OperationId operation, ItemId item, std::int64_t units) override {
    return inner_->put_operation(sale, operation, item, units);
  }
  Result<std::vector<OperationRow>> operations(SaleId sale) override { return inner_->operations(sale); }
  Result<std::int64_t> now_ms() override { return inner_->now_ms(); }

  Result<Done> commit() override {
    if (network_.is_healed()) return inner_->commit();
    const bool crashes = network_.faults().crash, fails = network_.faults().database;
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
  std::unique_ptr<SinkTransaction> inner_;
};

class FaultySink : public OrderSink {
 public:
  FaultySink(Network& network, std::shared_ptr<test::MemorySink> inner) : network_(network), inner_(std::move(inner)) {}

  Result<std::unique_ptr<SinkTransaction>> begin(Access access, Deadline deadline) override {
    if (network_.faults().database && !network_.is_healed() && network_.chance(20))
      return fail(ErrorCode::disconnected, "the simulated database is away");
    auto inner = inner_->begin(access, deadline);
    if (!inner) return tl::unexpected<Error>(std::move(inner.error()));
    return std::make_unique<FaultyTransaction>(network_, std::move(*inner));
  }
  Result<std::string> id(Deadline deadline) override { return inner_->id(deadline); }
  std::string describe() const override { return inner_->describe(); }

 private:
  Network& network_;
  std::shared_ptr<test::MemorySink> inner_;
};

}  // namespace flashsale::simulation
