// The transaction's beginning and end, and its small tables: dead orders, restocks, the clock.
#include "sinks/postgres/postgres_transaction.hpp"

#include <chrono>

#include "sinks/postgres/id_columns.hpp"

namespace flashsale::sinks::postgres {
namespace {

constexpr milliseconds kRollbackPatience{200};

constexpr char kSetAside[] =
    "insert into flashsale_dead (sale, epoch, seq, idx, buyer, item, quantity, request, payload, reason, at_epoch, "
    "at_seq, told, hold_until_ms, fate) "
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) on conflict do nothing";
constexpr char kDead[] =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, reason, at_epoch, at_seq, told, "
    "hold_until_ms, fate "
    "from flashsale_dead where sale = $1 and not (told and $2) order by epoch, seq, idx";
constexpr char kDecide[] =
    "update flashsale_dead set fate = $5, hold_until_ms = $6, told = false "
    "where sale = $1 and epoch = $2 and seq = $3 and idx = $4 and fate = 'dead' returning true";
constexpr char kMarkTold[] =
    "update flashsale_dead d set told = (d.fate = n.fate) "
    "from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[]) n (epoch, seq, idx, fate) "
    "where d.sale = $1 and d.epoch = n.epoch and d.seq = n.seq and d.idx = n.idx";
constexpr char kMarkCredited[] =
    "update flashsale_order o set credited = true "
    "from unnest($2::bigint[], $3::bigint[], $4::bigint[]) n (epoch, seq, idx) "
    "where o.sale = $1 and o.epoch = n.epoch and o.seq = n.seq and o.idx = n.idx and not o.credited";
constexpr char kPutOperation[] =
    "insert into flashsale_operation (sale, operation, item, units) values ($1, $2, $3, $4) "
    "on conflict do nothing returning true";
constexpr char kOperations[] =
    "select operation, item, units from flashsale_operation where sale = $1 order by operation";
constexpr char kNow[] = "select (extract(epoch from clock_timestamp()) * 1000)::bigint";

}  // namespace

PostgresTransaction::PostgresTransaction(std::shared_ptr<Connections> home, std::unique_ptr<Connection> connection,
                                         OrderSink::Access access)
    : home_(std::move(home)), connection_(std::move(connection)), frame_(access) {
  connection_->begin(access);
}

PostgresTransaction::~PostgresTransaction() {
  if (frame_.is_forked()) return;
  const auto done = guarded([&] {
    if (connection_->is_stale()) return;
    if (!frame_.is_over()) {
      connection_->wait_until(std::chrono::steady_clock::now() + kRollbackPatience);
      connection_->run({"rollback"});
    }
    home_->give_back(std::move(connection_));
  });
  static_cast<void>(done);  // a connection that cannot roll back is closed, which does
}

Result<Done> PostgresTransaction::commit() {
  return frame_.attempt(Touch::reads, [&] {
    try {
      // After a failure that nobody heard of, the server answers a commit with another command's name.
      if (connection_->run({"commit"}).tag() != "COMMIT") {
        fail_with(ErrorCode::internal, connection_->name() + ": the transaction was rolled back");
      }
    } catch (const Refusal&) {
      throw;  // the server says itself that it is not
    } catch (Failure& failure) {
      if (connection_->is_stale()) failure.error.effect = Effect::unknown;
      throw;
    }
    frame_.committed();
  });
}

Result<Done> PostgresTransaction::set_aside(SaleId sale, const DeadRow& dead) {
  return frame_.attempt(Touch::writes, [&] {
    const Order& order = dead.order;
    connection_->run({kSetAside, Values(sale.text(), order.id.at.epoch, order.id.at.seq, order.id.index,
                                        Blob{order.buyer}, Blob{order.item}, order.quantity, Blob{order.request},
                                        Blob{order.payload}, std::string_view(dead.reason), dead.at.epoch, dead.at.seq,
                                        dead.told, order.hold_until_ms, name(dead.fate))});
  });
}

Result<std::vector<DeadRow>> PostgresTransaction::dead(SaleId sale, bool only_untold) {
  return frame_.attempt(Touch::reads, [&] {
    const Rows rows = connection_->run({kDead, Values(sale.text(), only_untold)});
    std::vector<DeadRow> all(static_cast<std::size_t>(rows.size()));
    for (int i = 0; i < rows.size(); ++i) {
      DeadRow& row = all[static_cast<std::size_t>(i)];
      row.order.id = {{rows.natural(i, 0), rows.natural(i, 1)}, rows.word(i, 2)};
      row.order.buyer = rows.bytes(i, 3);
      row.order.item = rows.bytes(i, 4);
      row.order.quantity = rows.word(i, 5);
      row.order.request = rows.bytes(i, 6);
      row.order.payload = rows.bytes(i, 7);
      row.reason = rows.bytes(i, 8);
      row.at = {rows.natural(i, 9), rows.natural(i, 10)};
      row.told = rows.flag(i, 11);
      row.order.hold_until_ms = rows.integer(i, 12);
      const auto fate = dead_fate(rows.bytes(i, 13));
      if (!fate) fail_with(ErrorCode::internal, "dead order " + to_string(row.order.id) + " has no known fate");
      row.fate = *fate;
    }
    return all;
  });
}

Result<bool> PostgresTransaction::decide_dead(SaleId sale, const DeadRow& decided) {
  return frame_.attempt(Touch::writes, [&] {
    const OrderId id = decided.order.id;
    const Rows rows = connection_->run({kDecide, Values(sale.text(), id.at.epoch, id.at.seq, id.index,
                                                        name(decided.fate), decided.order.hold_until_ms)});
    return rows.size() == 1;
  });
}

Result<Done> PostgresTransaction::mark_told(SaleId sale, const DeadRow* rows, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    IdColumns ids(count);
    Array fates = Array::of_text(count);
    for (const DeadRow* row = rows; row != rows + count; ++row) {
      ids.add(row->order.id);
      fates.add(name(row->fate));
    }
    connection_->run({kMarkTold, Values(sale.text(), std::move(ids.epochs), std::move(ids.seqs), std::move(ids.indexes),
                                        std::move(fates))});
  });
}

Result<Done> PostgresTransaction::mark_credited(SaleId sale, const OrderId* orders, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    IdColumns ids(count);
    for (const OrderId* order = orders; order != orders + count; ++order) ids.add(*order);
    connection_->run(
        {kMarkCredited, Values(sale.text(), std::move(ids.epochs), std::move(ids.seqs), std::move(ids.indexes))});
  });
}

Result<bool> PostgresTransaction::put_operation(SaleId sale, OperationId operation, ItemId item, std::int64_t units) {
  return frame_.attempt(Touch::writes, [&] {
    return connection_->run({kPutOperation, Values(sale.text(), operation.text(), item.text(), units)}).size() == 1;
  });
}

Result<std::vector<OperationRow>> PostgresTransaction::operations(SaleId sale) {
  return frame_.attempt(Touch::reads, [&] {
    const Rows rows = connection_->run({kOperations, Values(sale.text())});
    std::vector<OperationRow> all;
    for (int i = 0; i < rows.size(); ++i) all.push_back({rows.text(i, 0), rows.text(i, 1), rows.integer(i, 2)});
    return all;
  });
}

Result<std::int64_t> PostgresTransaction::now_ms() {
  return frame_.attempt(Touch::reads, [&] { return connection_->run({kNow}).integer(0, 0); });
}

}  // namespace flashsale::sinks::postgres
