// The transaction's record of what audits found and repaired.
#include "sinks/postgres/id_columns.hpp"
#include "sinks/postgres/postgres_transaction.hpp"

namespace flashsale::sinks::postgres {
namespace {

constexpr char kPut[] =
    "insert into flashsale_repair (sale, repair, place, made_by, at_ms, item, difference, epoch, seq, idx, buyer, "
    "request, why, done_epoch) select $1, $2, n.place, $3, $4, n.item, n.difference, n.epoch, n.seq, n.idx, n.buyer, "
    "n.request, n.why, $5 from unnest($6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], "
    "$11::bytea[], $12::bytea[], $13::bytea[]) with ordinality "
    "n (item, difference, epoch, seq, idx, buyer, request, why, place) on conflict do nothing";
constexpr char kFinish[] = "update flashsale_repair set done_epoch = $1 where sale = $2 and done_epoch = 0";
constexpr char kAll[] =
    "select repair, made_by, at_ms, item, difference, epoch, seq, idx, buyer, request, why, done_epoch "
    "from flashsale_repair where sale = $1 order by at_ms, repair, place";

}  // namespace

Result<Done> PostgresTransaction::put_repair(SaleId sale, const RepairRow* rows, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    if (count == 0) return;
    IdColumns ids(count);
    Array items = Array::of_text(count), differences = Array::of_int8(count), buyers = Array::of_bytea(count),
          requests = Array::of_bytea(count), reasons = Array::of_bytea(count);
    for (const RepairRow* row = rows; row != rows + count; ++row) {
      ids.add(row->order);
      items.add(row->item);
      differences.add(row->difference);
      buyers.add(row->buyer);
      requests.add(row->request);
      reasons.add(row->why);
    }
    connection_->run({kPut, Values(sale.text(), std::string_view(rows->repair), std::string_view(rows->by), rows->at_ms,
                                   rows->done_epoch, std::move(items), std::move(differences), std::move(ids.epochs),
                                   std::move(ids.seqs), std::move(ids.indexes), std::move(buyers), std::move(requests),
                                   std::move(reasons))});
  });
}

Result<Done> PostgresTransaction::finish_repairs(SaleId sale, std::uint64_t epoch) {
  return frame_.attempt(Touch::writes, [&] { connection_->run({kFinish, Values(epoch, sale.text())}); });
}

Result<std::vector<RepairRow>> PostgresTransaction::repairs(SaleId sale) {
  return frame_.attempt(Touch::reads, [&] {
    const Rows found = connection_->run({kAll, Values(sale.text())});
    std::vector<RepairRow> rows;
    for (int i = 0; i < found.size(); ++i) {
      RepairRow& row = rows.emplace_back();
      row.repair = found.bytes(i, 0);
      row.by = found.bytes(i, 1);
      row.at_ms = found.integer(i, 2);
      row.item = found.bytes(i, 3);
      row.difference = found.integer(i, 4);
      row.order = {{found.natural(i, 5), found.natural(i, 6)}, found.word(i, 7)};
      row.buyer = found.bytes(i, 8);
      row.request = found.bytes(i, 9);
      row.why = found.bytes(i, 10);
      row.done_epoch = found.natural(i, 11);
    }
    return rows;
  });
}

}  // namespace flashsale::sinks::postgres
