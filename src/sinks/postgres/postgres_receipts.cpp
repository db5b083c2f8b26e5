// The transaction's receipts, and who holds more of them.
#include <algorithm>

#include "sinks/postgres/id_columns.hpp"
#include "sinks/postgres/postgres_transaction.hpp"

namespace flashsale::sinks::postgres {
namespace {

constexpr std::size_t kReceiptsPerStatement = 1000;

constexpr char kPut[] =
    "insert into flashsale_receipt (sale, act, epoch, seq, idx, at_epoch, at_seq, buyer, item, quantity, request, "
    "payload, hold_until_ms) select $1, n.* from unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], "
    "$6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::bytea[], $13::bigint[]) n "
    "on conflict do nothing";
constexpr char kPage[] =
    "select epoch, seq, idx, at_epoch, at_seq, buyer, item, quantity, request, payload, hold_until_ms "
    "from flashsale_receipt where sale = $1 and act = $2 and (epoch, seq, idx) > ($3, $4, $5) "
    "order by epoch, seq, idx limit $6";
constexpr char kDrop[] =
    "delete from flashsale_receipt where sale = $1 and (at_epoch, at_seq) <= ($2, $3) returning true";
constexpr char kPutHolder[] =
    "insert into flashsale_receipt_holder (sale, holder, beat_ms, handed_epoch) values ($1, $2, $3, $4) "
    "on conflict (sale, holder) do update set beat_ms = excluded.beat_ms, handed_epoch = excluded.handed_epoch";
constexpr char kHolders[] =
    "select holder, beat_ms, handed_epoch from flashsale_receipt_holder where sale = $1 order by holder";
constexpr char kDropHolders[] = "delete from flashsale_receipt_holder where sale = $1 and beat_ms < $2";

Statement to_put(std::string_view sale, const Receipt* receipts, std::size_t count) {
  IdColumns ids(count);
  Array acts = Array::of_int8(count), epochs = Array::of_int8(count), seqs = Array::of_int8(count),
        buyers = Array::of_text(count), items = Array::of_text(count), quantities = Array::of_int8(count),
        requests = Array::of_text(count), payloads = Array::of_bytea(count), holds = Array::of_int8(count);
  for (const Receipt* receipt = receipts; receipt != receipts + count; ++receipt) {
    const Order& order = receipt->order;
    ids.add(order.id);
    acts.add(static_cast<std::int64_t>(receipt->act));
    epochs.add(static_cast<std::int64_t>(receipt->at.epoch));
    seqs.add(static_cast<std::int64_t>(receipt->at.seq));
    buyers.add(order.buyer);
    items.add(order.item);
    quantities.add(std::int64_t{order.quantity});
    requests.add(order.request);
    payloads.add(order.payload);
    holds.add(order.hold_until_ms);
  }
  return {kPut, Values(sale, std::move(acts), std::move(ids.epochs), std::move(ids.seqs), std::move(ids.indexes),
                       std::move(epochs), std::move(seqs), std::move(buyers), std::move(items), std::move(quantities),
                       std::move(requests), std::move(payloads), std::move(holds))};
}

}  // namespace

Result<Done> PostgresTransaction::put_receipts(SaleId sale, const Receipt* receipts, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    for (std::size_t from = 0; from < count; from += kReceiptsPerStatement)
      connection_->run(to_put(sale.text(), receipts + from, std::min(kReceiptsPerStatement, count - from)));
  });
}

Result<std::vector<Receipt>> PostgresTransaction::receipts(SaleId sale, Verb act, OrderId after, std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    const Rows rows = connection_->run(
        {kPage, Values(sale.text(), static_cast<std::int32_t>(act), after.at.epoch, after.at.seq, after.index, count)});
    std::vector<Receipt> all(static_cast<std::size_t>(rows.size()));
    for (int i = 0; i < rows.size(); ++i) {
      Receipt& row = all[static_cast<std::size_t>(i)];
      row.act = act;
      row.order.id = {{rows.natural(i, 0), rows.natural(i, 1)}, rows.word(i, 2)};
      row.at = {rows.natural(i, 3), rows.natural(i, 4)};
      row.order.buyer = rows.bytes(i, 5);
      row.order.item = rows.bytes(i, 6);
      row.order.quantity = rows.word(i, 7);
      row.order.request = rows.bytes(i, 8);
      row.order.payload = rows.bytes(i, 9);
      row.order.hold_until_ms = rows.integer(i, 10);
    }
    return all;
  });
}

Result<std::size_t> PostgresTransaction::drop_receipts(SaleId sale, Position until) {
  return frame_.attempt(Touch::writes, [&] {
    return static_cast<std::size_t>(connection_->run({kDrop, Values(sale.text(), until.epoch, until.seq)}).size());
  });
}

Result<Done> PostgresTransaction::put_receipt_holder(SaleId sale, const ReceiptHolder& holder) {
  return frame_.attempt(Touch::writes, [&] {
    connection_->run(
        {kPutHolder, Values(sale.text(), std::string_view(holder.holder), holder.beat_ms, holder.handed_epoch)});
  });
}

Result<std::vector<ReceiptHolder>> PostgresTransaction::receipt_holders(SaleId sale) {
  return frame_.attempt(Touch::reads, [&] {
    const Rows rows = connection_->run({kHolders, Values(sale.text())});
    std::vector<ReceiptHolder> all;
    for (int i = 0; i < rows.size(); ++i) all.push_back({rows.text(i, 0), rows.integer(i, 1), rows.natural(i, 2)});
    return all;
  });
}

Result<Done> PostgresTransaction::drop_receipt_holders(SaleId sale, std::int64_t beat_ms) {
  return frame_.attempt(Touch::writes, [&] { connection_->run({kDropHolders, Values(sale.text(), beat_ms)}); });
}

}  // namespace flashsale::sinks::postgres
