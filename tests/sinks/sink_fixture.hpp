/// What the tests of sinks share: results that must be there, orders in a line, a sale to sell from.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "flashsale/order_sink.hpp"

namespace flashsale::sink_test {

using Access = OrderSink::Access;
/// A sink on a database that other sales may share; called anew for each claim.
using MakeSink = std::function<std::shared_ptr<OrderSink>()>;

inline Deadline in_ms(int ms) { return std::chrono::steady_clock::now() + milliseconds(ms); }
inline Deadline soon() { return in_ms(10'000); }

/// The value of a result that a claim stands on.
template <class T>
T must(Result<T> result) {
  if (!result) FAIL(to_string(result.error()));
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

inline std::string fresh_name(const std::string& prefix) {
  std::random_device device;
  return prefix + "-" + std::to_string(device()) + std::to_string(device());
}

inline Order make_order(OrderId id, std::string buyer, std::string request, std::string item = "shoe",
                        std::uint32_t quantity = 1, std::string payload = "size 42") {
  return {id, std::move(buyer), std::move(item), quantity, std::move(request), std::move(payload)};
}

/// The order `1-<seq>.<index>` of `buyer` with a request of its own.
inline Order order_at(std::uint64_t seq, std::uint32_t index, const std::string& buyer, std::uint32_t quantity = 1) {
  return make_order({{1, seq}, index}, buyer, "r" + std::to_string(seq) + "." + std::to_string(index), "shoe",
                    quantity);
}

inline std::vector<OrderId> ids_of(const std::vector<OrderRow>& rows) {
  std::vector<OrderId> ids;
  for (const OrderRow& row : rows) ids.push_back(row.order.id);
  return ids;
}

inline bool same_bytes(const Order& left, const Order& right) {
  return left.id == right.id && left.buyer == right.buyer && left.item == right.item &&
         left.quantity == right.quantity && left.request == right.request && left.payload == right.payload &&
         left.hold_until_ms == right.hold_until_ms;
}

/// A sale with ten shoes, three a buyer, and five hats, five a buyer; every call is a transaction of its own.
class SaleBed {
 public:
  explicit SaleBed(std::shared_ptr<OrderSink> sink) : sink_(std::move(sink)), name_(fresh_name("bed")) {
    SaleRow row;
    row.sale = name_;
    row.state = SaleState::open;
    row.items = {{"shoe", 10, 3, 0}, {"hat", 5, 5, 0}};
    write([&](SinkTransaction& transaction) { must(transaction.put_sale(row)); });
  }

  SaleId id() const { return SaleId{name_}; }
  OrderSink& sink() { return *sink_; }

  /// Commits what `work` did and returns what it returned.
  template <class Work>
  auto write(Work work) -> decltype(work(std::declval<SinkTransaction&>())) {
    auto transaction = must(sink_->begin(Access::write, soon()));
    if constexpr (std::is_void_v<decltype(work(*transaction))>) {
      work(*transaction);
      must(transaction->commit());
    } else {
      auto value = work(*transaction);
      must(transaction->commit());
      return value;
    }
  }
  template <class Work>
  auto read(Work work) -> decltype(work(std::declval<SinkTransaction&>())) {
    auto transaction = must(sink_->begin(Access::read, soon()));
    return work(*transaction);
  }

  std::vector<Insert> insert(const std::vector<Order>& orders) {
    return write([&](SinkTransaction& t) { return must(t.insert_orders(id(), orders.data(), orders.size())); });
  }
  std::vector<bool> move(OrderState to, const std::vector<Order>& orders) {
    return write([&](SinkTransaction& t) { return must(t.move_orders(id(), to, orders.data(), orders.size())); });
  }
  std::optional<OrderRow> find(const Order& order) {
    return read(
        [&](SinkTransaction& t) { return must(t.find_order(id(), BuyerId{order.buyer}, RequestId{order.request})); });
  }
  std::vector<OrderRow> by_buyer(const std::string& after, std::size_t count) {
    return read([&](SinkTransaction& t) { return must(t.orders_by_buyer(id(), after, count)); });
  }
  std::vector<OrderRow> uncredited(std::size_t count = 100) {
    return read([&](SinkTransaction& t) { return must(t.uncredited(id(), count)); });
  }
  SaleRow row() {
    auto found = read([&](SinkTransaction& t) { return must(t.lock_sale(id())); });
    REQUIRE(found.has_value());
    return *found;
  }
  std::int64_t sold(const std::string& item = "shoe") {
    for (const ItemRow& found : row().items)
      if (found.item == item) return found.sold;
    return -1;
  }

 private:
  std::shared_ptr<OrderSink> sink_;
  std::string name_;
};

}  // namespace flashsale::sink_test
