// The transaction's writing of orders: what stock and limits allow, and what is already there.
#include "sinks/order_rules.hpp"
#include "sinks/sqlite/sqlite_rows.hpp"
#include "sinks/sqlite/sqlite_transaction.hpp"

namespace flashsale::sinks {
namespace {

constexpr std::string_view kInsertOrder =
    "insert into flashsale_order (sale, epoch, seq, idx, buyer, item, quantity, request, state, credited, payload, "
    "hold_until_ms) values (?, ?, ?, ?, ?, ?, ?, ?, 'reserved', 1, ?, ?)";
constexpr std::string_view kDeleteOrder =
    "delete from flashsale_order where sale = ? and epoch = ? and seq = ? and idx = ?";
constexpr std::string_view kHold =
    "insert into flashsale_holding (sale, buyer, item, held, lim) values (?, ?, ?, ?, ?) "
    "on conflict (sale, buyer, item) do update set held = held + excluded.held, lim = excluded.lim";
constexpr std::string_view kLetGo =
    "update flashsale_holding set held = held - ? where sale = ? and buyer = ? and item = ?";
constexpr std::string_view kSell = "update flashsale_item set sold = sold + ? where sale = ? and item = ?";
constexpr std::string_view kByIdOrRequest =
    "select epoch, seq, idx, buyer, item, quantity, request from flashsale_order "
    "where sale = ?1 and epoch = ?2 and seq = ?3 and idx = ?4 union all "
    "select epoch, seq, idx, buyer, item, quantity, request from flashsale_order "
    "where sale = ?1 and buyer = ?5 and request = ?6";
constexpr std::string_view kMove =
    "update flashsale_order set state = ?, credited = ? where sale = ? and epoch = ? and seq = ? and idx = ? "
    "and buyer = ? and state = 'reserved' returning item, quantity";
constexpr std::string_view kMarkCredited =
    "update flashsale_order set credited = 1 where sale = ? and epoch = ? and seq = ? and idx = ? and credited = 0";

/// Inserts orders one by one, each optimistically: a row that the database's own constraints refuse is explained
/// afterwards. No savepoint is needed, because a statement that fails leaves nothing behind, and at most one row is
/// taken back; savepoints would copy every page that a batch touches.
class OrderInserter {
 public:
  OrderInserter(Connection& connection, std::string_view sale)
      : connection_(connection), sale_(sale), items_(read_items(connection, sale)), before_(items_) {}

  Insert insert(const Order& order) {
    if (!storable(order)) return Insert::poison;
    ItemRow* item = find_item(items_, order.item);
    if (item == nullptr || item->sold + order.quantity > item->total) return known(order).value_or(Insert::oversold);
    const OrderId id = order.id;
    if (!order_.try_run(sale_, id.at.epoch, id.at.seq, id.index, std::string_view(order.buyer),
                        std::string_view(order.item), order.quantity, std::string_view(order.request),
                        Blob{order.payload}, order.hold_until_ms)) {
      return known(order).value_or(Insert::poison);
    }
    if (!holding_.try_run(sale_, std::string_view(order.buyer), std::string_view(order.item), order.quantity,
                          item->limit)) {
      Query(connection_, kDeleteOrder, sale_, id.at.epoch, id.at.seq, id.index).run();
      return Insert::over_limit;
    }
    item->sold += order.quantity;
    return Insert::inserted;
  }

  /// Writes what was sold, once an item: a batch of a thousand orders mostly sells one.
  void finish() {
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const std::int64_t sold = items_[i].sold - before_[i].sold;
      if (sold != 0) Query(connection_, kSell, sold, sale_, std::string_view(items_[i].item)).run();
    }
  }

 private:
  /// What is there already under the order's id, or under its buyer and request.
  std::optional<Insert> known(const Order& order) {
    std::optional<Insert> verdict;
    for (Query query(connection_, kByIdOrRequest, sale_, order.id.at.epoch, order.id.at.seq, order.id.index,
                     std::string_view(order.buyer), std::string_view(order.request));
         query.next() && verdict != Insert::conflict;) {
      Order there;
      there.id = {{query.natural(0), query.natural(1)}, query.word(2)};
      there.buyer = query.bytes(3);
      there.item = query.bytes(4);
      there.quantity = query.word(5);
      there.request = query.bytes(6);
      verdict = same_order(order, there) ? Insert::same : Insert::conflict;
    }
    return verdict;
  }

  Connection& connection_;
  const std::string_view sale_;
  std::vector<ItemRow> items_;
  const std::vector<ItemRow> before_;
  Query order_{connection_, kInsertOrder};
  Query holding_{connection_, kHold};
};

}  // namespace

Result<std::vector<Insert>> SqliteTransaction::insert_orders(SaleId sale, const Order* orders, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    std::vector<Insert> verdicts;
    verdicts.reserve(count);
    OrderInserter inserter(*connection_, sale.text());
    for (const Order* order = orders; order != orders + count; ++order) verdicts.push_back(inserter.insert(*order));
    inserter.finish();
    return verdicts;
  });
}

Result<std::vector<bool>> SqliteTransaction::move_orders(SaleId sale, OrderState to, const Order* orders,
                                                         std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    const bool returns_stock = to == OrderState::released || to == OrderState::expired;
    std::vector<bool> moved(count);
    for (std::size_t i = 0; i < count; ++i) {
      const OrderId id = orders[i].id;
      const std::string_view buyer = orders[i].buyer;
      Query move(*connection_, kMove, name(to), !returns_stock, sale.text(), id.at.epoch, id.at.seq, id.index, buyer);
      moved[i] = move.next();
      if (!moved[i] || !returns_stock) continue;
      // What the row says, not the caller: only that was counted.
      const std::string_view item = move.bytes(0);
      const std::int64_t quantity = move.integer(1);
      Query(*connection_, kLetGo, quantity, sale.text(), buyer, item).run();
      Query(*connection_, kSell, -quantity, sale.text(), item).run();
    }
    return moved;
  });
}

Result<Done> SqliteTransaction::mark_credited(SaleId sale, const OrderId* orders, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    for (const OrderId* order = orders; order != orders + count; ++order) {
      Query(*connection_, kMarkCredited, sale.text(), order->at.epoch, order->at.seq, order->index).run();
    }
  });
}

}  // namespace flashsale::sinks
