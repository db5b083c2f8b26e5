/// SinkTransaction over one SQLite connection.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flashsale/order_sink.hpp"
#include "sinks/sqlite/connection_cache.hpp"

namespace flashsale::sinks {

/// Thread-bound. Holds the file's write lock from its construction on if it is for writing.
class SqliteTransaction : public SinkTransaction {
 public:
  /// Begins; throws Failure.
  SqliteTransaction(std::shared_ptr<ConnectionCache> home, std::unique_ptr<Connection> connection,
                    OrderSink::Access access);
  ~SqliteTransaction() override;

  Result<std::optional<SaleRow>> lock_sale(SaleId sale) override;
  Result<Done> put_sale(const SaleRow& row) override;
  Result<std::vector<SaleRow>> sales(bool with_retired) override;

  Result<std::vector<Insert>> insert_orders(SaleId sale, const Order* orders, std::size_t count) override;
  Result<std::vector<bool>> move_orders(SaleId sale, OrderState to, const Order* orders, std::size_t count) override;

  Result<std::vector<OrderRow>> orders_by_buyer(SaleId sale, std::string_view after_buyer, std::size_t count) override;
  Result<std::optional<OrderRow>> find_order(SaleId sale, BuyerId buyer, RequestId request) override;
  Result<std::vector<OrderRow>> uncredited(SaleId sale, std::size_t count) override;
  Result<Done> mark_credited(SaleId sale, const OrderId* orders, std::size_t count) override;

  Result<Done> set_aside(SaleId sale, const DeadRow& dead) override;
  Result<std::vector<DeadRow>> dead(SaleId sale, bool only_untold) override;
  Result<Done> mark_told(SaleId sale, const OrderId* orders, std::size_t count) override;

  Result<bool> put_operation(SaleId sale, OperationId operation, ItemId item, std::int64_t units) override;
  Result<std::vector<OperationRow>> operations(SaleId sale) override;

  Result<std::int64_t> now_ms() override;
  Result<Done> commit() override;

 private:
  enum class Touch : std::uint8_t { reads, writes };

  /// Every method's frame: refuses after a failure, a commit or a fork. After a failure SQLite may have rolled back by
  /// itself, and one more statement would commit alone.
  template <class Work>
  auto attempt(Touch touch, Work work) -> decltype(guarded(work));
  void check_usable(Touch touch) const;

  std::shared_ptr<ConnectionCache> home_;
  std::unique_ptr<Connection> connection_;
  const OrderSink::Access access_;
  bool committed_ = false;
  bool failed_ = false;
};

template <class Work>
auto SqliteTransaction::attempt(Touch touch, Work work) -> decltype(guarded(work)) {
  auto result = guarded([&] {
    check_usable(touch);
    return work();
  });
  failed_ |= !result.has_value();
  return result;
}

}  // namespace flashsale::sinks
