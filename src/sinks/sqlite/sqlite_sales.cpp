// The transaction's sales and items.
#include <fmt/format.h>

#include "sinks/sqlite/sqlite_rows.hpp"
#include "sinks/sqlite/sqlite_transaction.hpp"

namespace flashsale::sinks {
namespace {

constexpr std::string_view kSale =
    "select sale, state, uuid, opens_ms, closes_ms, hold_ms, probe_ms, replicas, buyer_orders_max, fence_epoch, "
    "watermark_epoch, watermark_seq, link, rec_uuid, rec_beat_ms from flashsale_sale where sale = ?";
constexpr std::string_view kSales =
    "select sale, state, uuid, opens_ms, closes_ms, hold_ms, probe_ms, replicas, buyer_orders_max, fence_epoch, "
    "watermark_epoch, watermark_seq, link, rec_uuid, rec_beat_ms from flashsale_sale "
    "where ? or state <> 'retired' order by sale";
constexpr std::string_view kPutSale =
    "insert or replace into flashsale_sale (sale, state, uuid, opens_ms, closes_ms, hold_ms, probe_ms, replicas, "
    "buyer_orders_max, fence_epoch, watermark_epoch, watermark_seq, link, rec_uuid, rec_beat_ms) "
    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr std::string_view kItems = "select item, total, lim, sold from flashsale_item where sale = ? order by idx";
// The worker writes the row with each batch; items rarely change, and an unchanged one costs no page.
constexpr std::string_view kPutItem =
    "insert into flashsale_item (sale, idx, item, total, lim, sold) values (?, ?, ?, ?, ?, ?) "
    "on conflict (sale, item) do update set total = excluded.total, lim = excluded.lim "
    "where total <> excluded.total or lim <> excluded.lim";

SaleRow read_sale(const Query& query) {
  SaleRow row;
  row.sale = query.bytes(0);
  const auto state = sale_state(query.bytes(1));
  if (!state) fail_with(ErrorCode::internal, fmt::format("sale {} has no known state", row.sale));
  row.state = *state;
  row.uuid = query.bytes(2);
  row.opens_ms = query.integer(3);
  row.closes_ms = query.integer(4);
  row.hold_ms = query.integer(5);
  row.probe_ms = query.integer(6);
  row.replicas = query.word(7);
  row.buyer_orders_max = query.word(8);
  row.fence_epoch = query.natural(9);
  row.watermark = {query.natural(10), query.natural(11)};
  row.link = query.bytes(12);
  row.rec_uuid = query.bytes(13);
  row.rec_beat_ms = query.integer(14);
  return row;
}

}  // namespace

std::vector<ItemRow> read_items(Connection& connection, std::string_view sale) {
  std::vector<ItemRow> items;
  for (Query query(connection, kItems, sale); query.next();) {
    items.push_back({std::string(query.bytes(0)), query.integer(1), query.integer(2), query.integer(3)});
  }
  return items;
}

Result<std::optional<SaleRow>> SqliteTransaction::lock_sale(SaleId sale) {
  return frame_.attempt(Touch::reads, [&]() -> std::optional<SaleRow> {
    Query query(*connection_, kSale, sale.text());
    if (!query.next()) return std::nullopt;
    SaleRow row = read_sale(query);
    row.items = read_items(*connection_, row.sale);
    return row;
  });
}

Result<Done> SqliteTransaction::put_sale(const SaleRow& row) {
  return frame_.attempt(Touch::writes, [&] {
    const std::string_view sale = row.sale;
    Query(*connection_, kPutSale, sale, name(row.state), std::string_view(row.uuid), row.opens_ms, row.closes_ms,
          row.hold_ms, row.probe_ms, row.replicas, row.buyer_orders_max, row.fence_epoch, row.watermark.epoch,
          row.watermark.seq, std::string_view(row.link), std::string_view(row.rec_uuid), row.rec_beat_ms)
        .run();
    for (std::size_t index = 0; index < row.items.size(); ++index) {
      const ItemRow& item = row.items[index];
      Query(*connection_, kPutItem, sale, index, std::string_view(item.item), item.total, item.limit, item.sold).run();
    }
  });
}

Result<std::vector<SaleRow>> SqliteTransaction::sales(bool with_retired) {
  return frame_.attempt(Touch::reads, [&] {
    std::vector<SaleRow> rows;
    for (Query query(*connection_, kSales, with_retired); query.next();) rows.push_back(read_sale(query));
    for (SaleRow& row : rows) row.items = read_items(*connection_, row.sale);
    return rows;
  });
}

}  // namespace flashsale::sinks
