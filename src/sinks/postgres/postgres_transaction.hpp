/// SinkTransaction over one PostgreSQL connection: one statement a set of rows, not one a row.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flashsale/order_sink.hpp"
#include "sinks/connection_cache.hpp"
#include "sinks/postgres/connection.hpp"
#include "sinks/transaction_frame.hpp"

namespace flashsale::sinks::postgres {

using Connections = ConnectionCache<Connection>;

/// Thread-bound. Writers of one sale wait for each other in lock_sale, writers of different sales do not; a reader sees
/// one moment of the database throughout.
class PostgresTransaction : public SinkTransaction {
 public:
  /// Begins; throws Failure.
  PostgresTransaction(std::shared_ptr<Connections> home, std::unique_ptr<Connection> connection,
                      OrderSink::Access access);
  ~PostgresTransaction() override;

  Result<std::optional<SaleRow>> lock_sale(SaleId sale) override;
  Result<Done> put_sale(const SaleRow& row) override;
  Result<std::vector<SaleRow>> sales(bool with_retired) override;

  Result<std::vector<Insert>> insert_orders(SaleId sale, const Order* orders, std::size_t count) override;
  Result<std::vector<bool>> move_orders(SaleId sale, OrderState to, const Order* orders, std::size_t count) override;

  Result<std::vector<OrderRow>> orders_by_buyer(SaleId sale, std::string_view after_buyer, std::size_t count) override;
  Result<std::vector<OrderRow>> orders_by_id(SaleId sale, OrderId after, std::size_t count) override;
  Result<std::optional<OrderRow>> find_order(SaleId sale, BuyerId buyer, RequestId request) override;
  Result<std::vector<OrderRow>> uncredited(SaleId sale, std::size_t count) override;
  Result<Done> mark_credited(SaleId sale, const OrderId* orders, std::size_t count) override;

  Result<Done> set_aside(SaleId sale, const DeadRow& dead) override;
  Result<std::vector<DeadRow>> dead(SaleId sale, bool only_untold) override;
  Result<bool> decide_dead(SaleId sale, const DeadRow& decided) override;
  Result<Done> mark_told(SaleId sale, const DeadRow* rows, std::size_t count) override;

  Result<bool> put_operation(SaleId sale, OperationId operation, ItemId item, std::int64_t units) override;
  Result<std::vector<OperationRow>> operations(SaleId sale) override;

  Result<Done> put_repair(SaleId sale, const RepairRow* rows, std::size_t count) override;
  Result<Done> finish_repairs(SaleId sale, std::uint64_t epoch) override;
  Result<std::vector<RepairRow>> repairs(SaleId sale) override;

  Result<Done> put_receipts(SaleId sale, const Receipt* receipts, std::size_t count) override;
  Result<std::vector<Receipt>> receipts(SaleId sale, Verb act, OrderId after, std::size_t count) override;
  Result<std::size_t> drop_receipts(SaleId sale, Position until) override;
  Result<Done> put_receipt_holder(SaleId sale, const ReceiptHolder& holder) override;
  Result<std::vector<ReceiptHolder>> receipt_holders(SaleId sale) override;
  Result<Done> drop_receipt_holders(SaleId sale, std::int64_t beat_ms) override;

  Result<std::int64_t> now_ms() override;
  Result<Done> commit() override;

 private:
  std::shared_ptr<Connections> home_;
  std::unique_ptr<Connection> connection_;
  TransactionFrame frame_;
};

}  // namespace flashsale::sinks::postgres
