// The transaction's beginning and end, and its small tables: dead orders, restocks, the clock.
#include "sinks/sqlite/sqlite_transaction.hpp"

namespace flashsale::sinks {
namespace {

constexpr std::string_view kSetAside =
    "insert into flashsale_dead (sale, epoch, seq, idx, buyer, item, quantity, request, payload, reason, at_epoch, "
    "at_seq, told, hold_until_ms, fate) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing";
constexpr std::string_view kDead =
    "select epoch, seq, idx, buyer, item, quantity, request, payload, reason, at_epoch, at_seq, told, "
    "hold_until_ms, fate "
    "from flashsale_dead where sale = ? and told <= ? order by epoch, seq, idx";
constexpr std::string_view kMarkTold =
    "update flashsale_dead set told = (fate = ?) where sale = ? and epoch = ? and seq = ? and idx = ?";
constexpr std::string_view kDecide =
    "update flashsale_dead set fate = ?, hold_until_ms = ?, told = 0 "
    "where sale = ? and epoch = ? and seq = ? and idx = ? and fate = 'dead'";
constexpr std::string_view kPutOperation =
    "insert into flashsale_operation (sale, operation, item, units) values (?, ?, ?, ?) on conflict do nothing";
constexpr std::string_view kOperations =
    "select operation, item, units from flashsale_operation where sale = ? order by operation";
constexpr std::string_view kNow = "select cast((julianday('now') - 2440587.5) * 86400000 + 0.5 as integer)";

}  // namespace

SqliteTransaction::SqliteTransaction(std::shared_ptr<SqliteConnections> home, std::unique_ptr<Connection> connection,
                                     OrderSink::Access access)
    : home_(std::move(home)), connection_(std::move(connection)), frame_(access) {
  try {
    // Immediate: a transaction that reads first and locks later can only be told that its snapshot is old.
    Query(*connection_, frame_.may_write() ? "begin immediate" : "begin").run();
  } catch (const Failure& failure) {
    if (failure.error.code == ErrorCode::busy) home_->give_back(std::move(connection_));
    throw;
  }
}

SqliteTransaction::~SqliteTransaction() {
  if (frame_.is_forked()) return;
  const auto done = guarded([&] {
    if (connection_->in_transaction()) Query(*connection_, "rollback").run();
    if (!frame_.has_failed()) home_->give_back(std::move(connection_));
  });
  static_cast<void>(done);  // a connection that cannot roll back is closed, which does
}

Result<Done> SqliteTransaction::commit() {
  return frame_.attempt(Touch::reads, [&] {
    try {
      Query(*connection_, "commit").run();
    } catch (Failure& failure) {
      // Busy or full stop before the log's last page; a failing disk may have kept it.
      const bool refused = failure.error.code == ErrorCode::busy || connection_->is_full();
      failure.error.effect = refused ? Effect::none : Effect::unknown;
      throw;
    }
    frame_.committed();
  });
}

Result<Done> SqliteTransaction::set_aside(SaleId sale, const DeadRow& dead) {
  return frame_.attempt(Touch::writes, [&] {
    const Order& order = dead.order;
    Query(*connection_, kSetAside, sale.text(), order.id.at.epoch, order.id.at.seq, order.id.index, Blob{order.buyer},
          Blob{order.item}, order.quantity, Blob{order.request}, Blob{order.payload}, std::string_view(dead.reason),
          dead.at.epoch, dead.at.seq, dead.told, order.hold_until_ms, name(dead.fate))
        .run();
  });
}

Result<std::vector<DeadRow>> SqliteTransaction::dead(SaleId sale, bool only_untold) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<DeadRow> rows;
    for (Query query(*connection_, kDead, sale.text(), only_untold ? 0 : 1); query.next();) {
      DeadRow& row = rows.emplace_back();
      row.order.id = {{query.natural(0), query.natural(1)}, query.word(2)};
      row.order.buyer = query.bytes(3);
      row.order.item = query.bytes(4);
      row.order.quantity = query.word(5);
      row.order.request = query.bytes(6);
      row.order.payload = query.bytes(7);
      row.reason = query.bytes(8);
      row.at = {query.natural(9), query.natural(10)};
      row.told = query.integer(11) != 0;
      row.order.hold_until_ms = query.integer(12);
      const auto fate = dead_fate(query.bytes(13));
      if (!fate) fail_with(ErrorCode::internal, "dead order " + to_string(row.order.id) + " has no known fate");
      row.fate = *fate;
    }
    return rows;
  });
}

Result<bool> SqliteTransaction::decide_dead(SaleId sale, const DeadRow& decided) {
  return frame_.attempt(Touch::writes, [&] {
    const OrderId id = decided.order.id;
    Query(*connection_, kDecide, name(decided.fate), decided.order.hold_until_ms, sale.text(), id.at.epoch, id.at.seq,
          id.index)
        .run();
    return connection_->changes() == 1;
  });
}

Result<Done> SqliteTransaction::mark_told(SaleId sale, const DeadRow* rows, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    for (const DeadRow* row = rows; row != rows + count; ++row) {
      const OrderId id = row->order.id;
      Query(*connection_, kMarkTold, name(row->fate), sale.text(), id.at.epoch, id.at.seq, id.index).run();
    }
  });
}

Result<bool> SqliteTransaction::put_operation(SaleId sale, OperationId operation, ItemId item, std::int64_t units) {
  return frame_.attempt(Touch::writes, [&] {
    Query(*connection_, kPutOperation, sale.text(), operation.text(), item.text(), units).run();
    return connection_->changes() == 1;
  });
}

Result<std::vector<OperationRow>> SqliteTransaction::operations(SaleId sale) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<OperationRow> rows;
    for (Query query(*connection_, kOperations, sale.text()); query.next();) {
      rows.push_back({std::string(query.bytes(0)), std::string(query.bytes(1)), query.integer(2)});
    }
    return rows;
  });
}

Result<std::int64_t> SqliteTransaction::now_ms() {
  return frame_.attempt(Touch::reads, [&] {
    Query query(*connection_, kNow);
    query.next();
    return query.integer(0);
  });
}

}  // namespace flashsale::sinks
