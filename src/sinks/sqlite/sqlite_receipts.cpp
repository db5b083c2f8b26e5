// The transaction's receipts, and who holds more of them.
#include "sinks/sqlite/sqlite_transaction.hpp"

namespace flashsale::sinks {
namespace {

constexpr std::string_view kPut =
    "insert into flashsale_receipt (sale, act, epoch, seq, idx, at_epoch, at_seq, buyer, item, quantity, request, "
    "payload, hold_until_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing";
constexpr std::string_view kPage =
    "select epoch, seq, idx, at_epoch, at_seq, buyer, item, quantity, request, payload, hold_until_ms "
    "from flashsale_receipt where sale = ? and act = ? and (epoch, seq, idx) > (?, ?, ?) "
    "order by epoch, seq, idx limit ?";
constexpr std::string_view kDrop = "delete from flashsale_receipt where sale = ? and (at_epoch, at_seq) <= (?, ?)";
constexpr std::string_view kPutHolder =
    "insert or replace into flashsale_receipt_holder (sale, holder, beat_ms, handed_epoch) values (?, ?, ?, ?)";
constexpr std::string_view kHolders =
    "select holder, beat_ms, handed_epoch from flashsale_receipt_holder where sale = ? order by holder";
constexpr std::string_view kDropHolders = "delete from flashsale_receipt_holder where sale = ? and beat_ms < ?";

}  // namespace

Result<Done> SqliteTransaction::put_receipts(SaleId sale, const Receipt* receipts, std::size_t count) {
  return frame_.attempt(Touch::writes, [&] {
    for (const Receipt* receipt = receipts; receipt != receipts + count; ++receipt) {
      const Order& order = receipt->order;
      Query(*connection_, kPut, sale.text(), static_cast<std::int32_t>(receipt->act), order.id.at.epoch,
            order.id.at.seq, order.id.index, receipt->at.epoch, receipt->at.seq, std::string_view(order.buyer),
            std::string_view(order.item), order.quantity, std::string_view(order.request), Blob{order.payload},
            order.hold_until_ms)
          .run();
    }
  });
}

Result<std::vector<Receipt>> SqliteTransaction::receipts(SaleId sale, Verb act, OrderId after, std::size_t count) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<Receipt> rows;
    for (Query query(*connection_, kPage, sale.text(), static_cast<std::int32_t>(act), after.at.epoch, after.at.seq,
                     after.index, count);
         query.next();) {
      Receipt& row = rows.emplace_back();
      row.act = act;
      row.order.id = {{query.natural(0), query.natural(1)}, query.word(2)};
      row.at = {query.natural(3), query.natural(4)};
      row.order.buyer = query.bytes(5);
      row.order.item = query.bytes(6);
      row.order.quantity = query.word(7);
      row.order.request = query.bytes(8);
      row.order.payload = query.bytes(9);
      row.order.hold_until_ms = query.integer(10);
    }
    return rows;
  });
}

Result<std::size_t> SqliteTransaction::drop_receipts(SaleId sale, Position until) {
  return frame_.attempt(Touch::writes, [&] {
    Query(*connection_, kDrop, sale.text(), until.epoch, until.seq).run();
    return static_cast<std::size_t>(connection_->changes());
  });
}

Result<Done> SqliteTransaction::put_receipt_holder(SaleId sale, const ReceiptHolder& holder) {
  return frame_.attempt(Touch::writes, [&] {
    Query(*connection_, kPutHolder, sale.text(), std::string_view(holder.holder), holder.beat_ms, holder.handed_epoch)
        .run();
  });
}

Result<std::vector<ReceiptHolder>> SqliteTransaction::receipt_holders(SaleId sale) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<ReceiptHolder> rows;
    for (Query query(*connection_, kHolders, sale.text()); query.next();)
      rows.push_back({std::string(query.bytes(0)), query.integer(1), query.natural(2)});
    return rows;
  });
}

Result<Done> SqliteTransaction::drop_receipt_holders(SaleId sale, std::int64_t beat_ms) {
  return frame_.attempt(Touch::writes, [&] { Query(*connection_, kDropHolders, sale.text(), beat_ms).run(); });
}

}  // namespace flashsale::sinks
