// The transaction's writing of orders: what stock and limits allow, and what is already there.
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "sinks/order_rules.hpp"
#include "sinks/postgres/id_columns.hpp"
#include "sinks/postgres/postgres_transaction.hpp"
#include "sinks/postgres/sql_state.hpp"

namespace flashsale::sinks::postgres {
namespace {

constexpr std::size_t kOrdersPerStatement = 1000;
constexpr std::size_t kBytesPerStatement = 8 << 20;

// A set of orders none of which is known: any that is, or whose item is not, or that breaks a rule, fails the statement
// as a whole. To ask for conflicts first, as the next one does, takes twice the time of the inserts.
constexpr char kInsertNewOrders[] =
    "with o as (insert into flashsale_order "
    "(sale, epoch, seq, idx, buyer, item, quantity, request, state, credited, payload, hold_until_ms) "
    "select $1, n.epoch, n.seq, n.idx, n.buyer, t.item, n.quantity, n.request, 'reserved', true, n.payload, "
    "n.hold_until_ms "
    "from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], "
    "$9::bytea[], $10::bigint[]) n (epoch, seq, idx, buyer, item, quantity, request, payload, hold_until_ms) "
    "left join flashsale_item t on t.sale = $1 and t.item = n.item returning buyer, item, quantity), "
    "i as (update flashsale_item t set sold = t.sold + s.units "
    "from (select item, sum(quantity)::bigint as units from o group by item) s "
    "where t.sale = $1 and t.item = s.item returning t.item, t.lim) "
    "insert into flashsale_holding as h (sale, buyer, item, held, lim) "
    "select $1, o.buyer, o.item, sum(o.quantity)::bigint, i.lim from o join i on i.item = o.item "
    "group by o.buyer, o.item, i.lim on conflict (sale, buyer, item) do update "
    "set held = h.held + excluded.held, lim = excluded.lim";
// A set of orders, each inserted unless it is known or its item is not; then what was inserted is counted, the items
// first, so that one who would break both rules is found to oversell. A broken rule fails the statement as a whole.
constexpr char kInsertOrders[] =
    "with o as (insert into flashsale_order "
    "(sale, epoch, seq, idx, buyer, item, quantity, request, state, credited, payload, hold_until_ms) "
    "select $1, n.epoch, n.seq, n.idx, n.buyer, n.item, n.quantity, n.request, 'reserved', true, n.payload, "
    "n.hold_until_ms "
    "from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], "
    "$9::bytea[], $10::bigint[]) with ordinality "
    "n (epoch, seq, idx, buyer, item, quantity, request, payload, hold_until_ms, place) "
    "where n.item in (select item from flashsale_item where sale = $1) order by n.place "
    "on conflict do nothing returning epoch, seq, idx, buyer, item, quantity, request), "
    "i as (update flashsale_item t set sold = t.sold + s.units "
    "from (select item, sum(quantity)::bigint as units from o group by item) s "
    "where t.sale = $1 and t.item = s.item returning t.item, t.lim), "
    "h as (insert into flashsale_holding as h (sale, buyer, item, held, lim) "
    "select $1, o.buyer, o.item, sum(o.quantity)::bigint, i.lim from o join i on i.item = o.item "
    "group by o.buyer, o.item, i.lim on conflict (sale, buyer, item) do update "
    "set held = h.held + excluded.held, lim = excluded.lim) "
    "select epoch, seq, idx, buyer, item, quantity, request from o";
constexpr char kKnown[] =
    "select n.place, o.epoch, o.seq, o.idx, o.buyer, o.item, o.quantity, o.request "
    "from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[]) with ordinality "
    "n (epoch, seq, idx, buyer, request, place) join flashsale_order o on o.sale = $1 and "
    "((o.epoch = n.epoch and o.seq = n.seq and o.idx = n.idx) or (o.buyer = n.buyer and o.request = n.request))";
// An order that is named twice moves for the first of them.
constexpr char kMoveOrders[] =
    "with m as (update flashsale_order o set state = $2, credited = not $3 from ("
    "select distinct on (epoch, seq, idx, buyer) * from unnest($4::bigint[], $5::bigint[], $6::bigint[], $7::text[]) "
    "with ordinality n (epoch, seq, idx, buyer, place) order by epoch, seq, idx, buyer, place) n "
    "where o.sale = $1 and o.epoch = n.epoch and o.seq = n.seq and o.idx = n.idx and o.buyer = n.buyer "
    "and o.state = 'reserved' returning n.place, o.buyer, o.item, o.quantity), "
    "h as (update flashsale_holding t set held = t.held - s.units "
    "from (select buyer, item, sum(quantity)::bigint as units from m where $3 group by buyer, item) s "
    "where t.sale = $1 and t.buyer = s.buyer and t.item = s.item), "
    "i as (update flashsale_item t set sold = t.sold - s.units "
    "from (select item, sum(quantity)::bigint as units from m where $3 group by item) s "
    "where t.sale = $1 and t.item = s.item) "
    "select place from m";

Order read_identity(const Rows& rows, int i, int column) {
  Order order;
  order.id = {{rows.natural(i, column), rows.natural(i, column + 1)}, rows.word(i, column + 2)};
  order.buyer = rows.bytes(i, column + 3);
  order.item = rows.bytes(i, column + 4);
  order.quantity = rows.word(i, column + 5);
  order.request = rows.bytes(i, column + 6);
  return order;
}

using Identity = std::tuple<OrderId, std::string, std::string, std::string>;

Identity identity_of(const Order& order) { return {order.id, order.buyer, order.item, order.request}; }

/// Inserts orders a set at a time: as new ones, which they are but after a crash and a reconcile. A set that the
/// database refuses is judged anew with what is known left out, and halved until the order to blame is alone; the
/// halves follow each other, so each order is judged after those before it, as if they came one by one.
class OrderInserter {
 public:
  OrderInserter(Connection& connection, std::string_view sale, const Order* orders, std::size_t count)
      : connection_(connection), sale_(sale), orders_(orders), verdicts_(count, Insert::poison) {}

  std::vector<Insert> insert() {
    std::vector<std::size_t> set;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < verdicts_.size(); ++i) {
      if (!storable(orders_[i])) continue;
      set.push_back(i);
      bytes += orders_[i].payload.size();
      if (set.size() < kOrdersPerStatement && bytes < kBytesPerStatement) continue;
      insert_set(set);
      set.clear();
      bytes = 0;
    }
    insert_set(set);
    return std::move(verdicts_);
  }

 private:
  /// The orders with these indexes.
  void insert_set(const std::vector<std::size_t>& set) {
    if (set.empty()) return;
    if (attempt(kInsertNewOrders, set.data(), set.size()).refusal)
      judge(set.data(), set.size());
    else
      for (const std::size_t i : set) verdicts_[i] = Insert::inserted;
  }

  void judge(const std::size_t* set, std::size_t count) {
    const Attempt made = attempt(kInsertOrders, set, count);
    if (!made.refusal) return note(set, count, *made.rows);
    if (count == 1) {
      verdicts_[*set] = meaning_of_one(*made.refusal);
      return;
    }
    judge(set, count / 2);
    judge(set + count / 2, count - count / 2);
  }

  struct Attempt {
    std::optional<Rows> rows;
    std::optional<Refusal> refusal;  // it left nothing behind
  };

  Attempt attempt(const char* sql, const std::size_t* set, std::size_t count) {
    try {
      auto rows = connection_.run_all(Statement{"savepoint orders"}, to_insert(sql, set, count),
                                      Statement{"release savepoint orders"});
      return {std::move(rows[1]), std::nullopt};
    } catch (const Refusal& refusal) {
      if (!blames_values(refusal.state)) throw;
      connection_.run_all(Statement{"rollback to savepoint orders"}, Statement{"release savepoint orders"});
      return {std::nullopt, refusal};
    }
  }

  static Insert meaning_of_one(const Refusal& refusal) {
    if (refusal.constraint == "flashsale_item_sold") return Insert::oversold;
    if (refusal.constraint == "flashsale_holding_held") return Insert::over_limit;
    return Insert::poison;
  }

  Statement to_insert(const char* sql, const std::size_t* set, std::size_t count) const {
    IdColumns ids(count);
    Array buyers = Array::of_text(count), items = Array::of_text(count), quantities = Array::of_int8(count),
          requests = Array::of_text(count), payloads = Array::of_bytea(count), holds = Array::of_int8(count);
    for (const std::size_t* i = set; i != set + count; ++i) {
      const Order& order = orders_[*i];
      ids.add(order.id);
      buyers.add(order.buyer);
      items.add(order.item);
      quantities.add(std::int64_t{order.quantity});
      requests.add(order.request);
      payloads.add(order.payload);
      holds.add(order.hold_until_ms);
    }
    return {sql, Values(sale_, std::move(ids.epochs), std::move(ids.seqs), std::move(ids.indexes), std::move(buyers),
                        std::move(items), std::move(quantities), std::move(requests), std::move(payloads),
                        std::move(holds))};
  }

  /// What became of a set that the database took: all of it inserted, or some of it known before.
  void note(const std::size_t* set, std::size_t count, const Rows& inserted) {
    if (static_cast<std::size_t>(inserted.size()) == count) {
      for (const std::size_t* i = set; i != set + count; ++i) verdicts_[*i] = Insert::inserted;
      return;
    }
    std::set<Identity> fresh;
    for (int row = 0; row < inserted.size(); ++row) fresh.insert(identity_of(read_identity(inserted, row, 0)));
    std::vector<std::size_t> rest;
    for (const std::size_t* i = set; i != set + count; ++i) {
      // Of two equal orders the first one was inserted.
      const bool was_inserted = fresh.erase(identity_of(orders_[*i])) == 1;
      verdicts_[*i] = was_inserted ? Insert::inserted : Insert::oversold;  // no such item, unless it is known
      if (!was_inserted) rest.push_back(*i);
    }
    explain(rest);
  }

  /// What is there already under an order's id, or under its buyer and request.
  void explain(const std::vector<std::size_t>& set) {
    IdColumns ids(set.size());
    Array buyers = Array::of_text(set.size()), requests = Array::of_text(set.size());
    for (const std::size_t i : set) {
      ids.add(orders_[i].id);
      buyers.add(orders_[i].buyer);
      requests.add(orders_[i].request);
    }
    const Rows known =
        connection_.run({kKnown, Values(sale_, std::move(ids.epochs), std::move(ids.seqs), std::move(ids.indexes),
                                        std::move(buyers), std::move(requests))});
    for (int row = 0; row < known.size(); ++row) {
      const std::size_t i = set[static_cast<std::size_t>(known.integer(row, 0) - 1)];
      const bool same = verdicts_[i] != Insert::conflict && same_order(orders_[i], read_identity(known, row, 1));
      verdicts_[i] = same ? Insert::same : Insert::conflict;
    }
  }

  Connection& connection_;
  const std::string_view sale_;
  const Order* const orders_;
  std::vector<Insert> verdicts_;
};

}  // namespace

Result<std::vector<Insert>> PostgresTransaction::insert_orders(SaleId sale, const Order* orders, std::size_t count) {
  return frame_.attempt(Touch::writes,
                        [&] { return OrderInserter(*connection_, sale.text(), orders, count).insert(); });
}

Result<std::vector<bool>> PostgresTransaction::move_orders(SaleId sale, OrderState to, const Order* orders,
                                                           std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    const bool returns_stock = to == OrderState::released || to == OrderState::expired;
    IdColumns ids(count);
    Array buyers = Array::of_text(count);
    for (const Order* order = orders; order != orders + count; ++order) {
      ids.add(order->id);
      buyers.add(order->buyer);
    }
    const Rows rows =
        connection_->run({kMoveOrders, Values(sale.text(), name(to), returns_stock, std::move(ids.epochs),
                                              std::move(ids.seqs), std::move(ids.indexes), std::move(buyers))});
    std::vector<bool> moved(count);
    for (int i = 0; i < rows.size(); ++i) moved[static_cast<std::size_t>(rows.integer(i, 0) - 1)] = true;
    return moved;
  });
}

}  // namespace flashsale::sinks::postgres
