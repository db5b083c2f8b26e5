/// A transaction that hands everything on to another one: what a test's own sink changes, it overrides.
#pragma once

#include <memory>
#include <utility>

#include "flashsale/order_sink.hpp"

namespace flashsale::test {

class ForwardingTransaction : public SinkTransaction {
 public:
  explicit ForwardingTransaction(std::unique_ptr<SinkTransaction> inner) : inner_(std::move(inner)) {}

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
  Result<std::vector<OrderRow>> orders_by_id(SaleId sale, OrderId after, std::size_t count) override {
    return inner_->orders_by_id(sale, after, count);
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
  Result<Done> put_repair(SaleId sale, const RepairRow* rows, std::size_t count) override {
    return inner_->put_repair(sale, rows, count);
  }
  Result<Done> finish_repairs(SaleId sale, std::uint64_t epoch) override { return inner_->finish_repairs(sale, epoch); }
  Result<std::vector<RepairRow>> repairs(SaleId sale) override { return inner_->repairs(sale); }
  Result<Done> put_receipts(SaleId sale, const Receipt* receipts, std::size_t count) override {
    return inner_->put_receipts(sale, receipts, count);
  }
  Result<std::vector<Receipt>> receipts(SaleId sale, Verb act, OrderId after, std::size_t count) override {
    return inner_->receipts(sale, act, after, count);
  }
  Result<std::size_t> drop_receipts(SaleId sale, Position until) override { return inner_->drop_receipts(sale, until); }
  Result<Done> put_receipt_holder(SaleId sale, const ReceiptHolder& holder) override {
    return inner_->put_receipt_holder(sale, holder);
  }
  Result<std::vector<ReceiptHolder>> receipt_holders(SaleId sale) override { return inner_->receipt_holders(sale); }
  Result<Done> drop_receipt_holders(SaleId sale, std::int64_t beat_ms) override {
    return inner_->drop_receipt_holders(sale, beat_ms);
  }
  Result<std::int64_t> now_ms() override { return inner_->now_ms(); }
  Result<Done> commit() override { return inner_->commit(); }

 protected:
  const std::unique_ptr<SinkTransaction> inner_;
};

}  // namespace flashsale::test
