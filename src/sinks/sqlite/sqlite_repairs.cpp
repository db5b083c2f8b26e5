// The transaction's record of what audits found and repaired.
#include "sinks/sqlite/sqlite_transaction.hpp"

namespace flashsale::sinks {
namespace {

constexpr std::string_view kPut =
    "insert into flashsale_repair (sale, repair, place, made_by, at_ms, item, difference, epoch, seq, idx, buyer, "
    "request, why, done_epoch) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing";
constexpr std::string_view kFinish = "update flashsale_repair set done_epoch = ? where sale = ? and done_epoch = 0";
constexpr std::string_view kAll =
    "select repair, made_by, at_ms, item, difference, epoch, seq, idx, buyer, request, why, done_epoch "
    "from flashsale_repair where sale = ? order by at_ms, repair, place";

}  // namespace

Result<Done> SqliteTransaction::put_repair(SaleId sale, const RepairRow* rows, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    for (std::size_t place = 0; place < count; ++place) {
      const RepairRow& row = rows[place];
      Query(*connection_, kPut, sale.text(), std::string_view(row.repair), place, std::string_view(row.by), row.at_ms,
            std::string_view(row.item), row.difference, row.order.at.epoch, row.order.at.seq, row.order.index,
            Blob{row.buyer}, Blob{row.request}, Blob{row.why}, row.done_epoch)
          .run();
    }
  });
}

Result<Done> SqliteTransaction::finish_repairs(SaleId sale, std::uint64_t epoch) {
  return frame_.attempt(Touch::writes, [&] { Query(*connection_, kFinish, epoch, sale.text()).run(); });
}

Result<std::vector<RepairRow>> SqliteTransaction::repairs(SaleId sale) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<RepairRow> rows;
    for (Query query(*connection_, kAll, sale.text()); query.next();) {
      RepairRow& row = rows.emplace_back();
      row.repair = query.bytes(0);
      row.by = query.bytes(1);
      row.at_ms = query.integer(2);
      row.item = query.bytes(3);
      row.difference = query.integer(4);
      row.order = {{query.natural(5), query.natural(6)}, query.word(7)};
      row.buyer = query.bytes(8);
      row.request = query.bytes(9);
      row.why = query.bytes(10);
      row.done_epoch = query.natural(11);
    }
    return rows;
  });
}

}  // namespace flashsale::sinks
