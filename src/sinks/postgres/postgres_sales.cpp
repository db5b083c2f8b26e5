// The transaction's sales and items.
#include <fmt/format.h>

#include "sinks/postgres/postgres_transaction.hpp"

namespace flashsale::sinks::postgres {
namespace {

// Also of a sale that is not there yet: two creates must not both find that. 1718840421 is "fsle".
constexpr char kLock[] = "select true from (select pg_advisory_xact_lock(1718840421, hashtext($1))) as lock";
constexpr char kSaleForUpdate[] =
    "select sale, state, uuid, opens_ms, closes_ms, hold_ms, probe_ms, replicas, buyer_orders_max, fence_epoch, "
    "watermark_epoch, watermark_seq, link, rec_uuid, rec_beat_ms from flashsale_sale where sale = $1 for update";
constexpr char kSale[] =
    "select sale, state, uuid, opens_ms, closes_ms, hold_ms, probe_ms, replicas, buyer_orders_max, fence_epoch, "
    "watermark_epoch, watermark_seq, link, rec_uuid, rec_beat_ms from flashsale_sale where sale = $1";
constexpr char kSales[] =
    "select sale, state, uuid, opens_ms, closes_ms, hold_ms, probe_ms, replicas, buyer_orders_max, fence_epoch, "
    "watermark_epoch, watermark_seq, link, rec_uuid, rec_beat_ms from flashsale_sale "
    "where $1 or state <> 'retired' order by sale";
constexpr char kItems[] = "select sale, item, total, lim, sold from flashsale_item where sale = $1 order by idx";
constexpr char kItemsOfAll[] = "select sale, item, total, lim, sold from flashsale_item order by sale, idx";
constexpr char kPutSale[] =
    "insert into flashsale_sale (sale, state, uuid, opens_ms, closes_ms, hold_ms, probe_ms, replicas, "
    "buyer_orders_max, fence_epoch, watermark_epoch, watermark_seq, link, rec_uuid, rec_beat_ms) "
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) on conflict (sale) do update set "
    "state = excluded.state, uuid = excluded.uuid, opens_ms = excluded.opens_ms, closes_ms = excluded.closes_ms, "
    "hold_ms = excluded.hold_ms, probe_ms = excluded.probe_ms, replicas = excluded.replicas, "
    "buyer_orders_max = excluded.buyer_orders_max, fence_epoch = excluded.fence_epoch, "
    "watermark_epoch = excluded.watermark_epoch, watermark_seq = excluded.watermark_seq, link = excluded.link, "
    "rec_uuid = excluded.rec_uuid, rec_beat_ms = excluded.rec_beat_ms";
// The worker writes the row with each batch; items rarely change, and an unchanged one is not written.
constexpr char kPutItems[] =
    "insert into flashsale_item as i (sale, idx, item, total, lim, sold) "
    "select $1, n.place - 1, n.item, n.total, n.lim, n.sold "
    "from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) with ordinality n (item, total, lim, sold, "
    "place) "
    "on conflict (sale, item) do update set total = excluded.total, lim = excluded.lim "
    "where i.total <> excluded.total or i.lim <> excluded.lim";

SaleRow read_sale(const Rows& rows, int i) {
  SaleRow row;
  row.sale = rows.bytes(i, 0);
  const auto state = sale_state(rows.bytes(i, 1));
  if (!state) fail_with(ErrorCode::internal, fmt::format("sale {} has no known state", row.sale));
  row.state = *state;
  row.uuid = rows.bytes(i, 2);
  row.opens_ms = rows.integer(i, 3);
  row.closes_ms = rows.integer(i, 4);
  row.hold_ms = rows.integer(i, 5);
  row.probe_ms = rows.integer(i, 6);
  row.replicas = rows.word(i, 7);
  row.buyer_orders_max = rows.word(i, 8);
  row.fence_epoch = rows.natural(i, 9);
  row.watermark = {rows.natural(i, 10), rows.natural(i, 11)};
  row.link = rows.bytes(i, 12);
  row.rec_uuid = rows.bytes(i, 13);
  row.rec_beat_ms = rows.integer(i, 14);
  return row;
}

/// Appends the items of `sale` that begin at row `i`; the row behind them.
int read_items(const Rows& rows, int i, SaleRow& sale) {
  for (; i < rows.size() && rows.bytes(i, 0) == sale.sale; ++i) {
    sale.items.push_back({rows.text(i, 1), rows.integer(i, 2), rows.integer(i, 3), rows.integer(i, 4)});
  }
  return i;
}

}  // namespace

Result<std::optional<SaleRow>> PostgresTransaction::lock_sale(SaleId sale) {
  return frame_.attempt(Touch::reads, [&]() -> std::optional<SaleRow> {
    const std::string_view id = sale.text();
    // Three statements, since each sees what was committed when it began: the row as it is once the lock is ours.
    const auto found = frame_.may_write()
                           ? connection_->run_all(Statement{kLock, Values(id)}, Statement{kSaleForUpdate, Values(id)},
                                                  Statement{kItems, Values(id)})
                           : connection_->run_all(Statement{kSale, Values(id)}, Statement{kItems, Values(id)});
    const Rows& sales = found[found.size() - 2];
    if (sales.size() == 0) return std::nullopt;
    SaleRow row = read_sale(sales, 0);
    read_items(found.back(), 0, row);
    return row;
  });
}

Result<Done> PostgresTransaction::put_sale(const SaleRow& row) {
  return frame_.attempt(Touch::writes, [&] {
    const std::string_view sale = row.sale;
    const std::size_t count = row.items.size();
    Array items = Array::of_text(count), totals = Array::of_int8(count), limits = Array::of_int8(count),
          sold = Array::of_int8(count);
    for (const ItemRow& item : row.items) {
      items.add(item.item);
      totals.add(item.total);
      limits.add(item.limit);
      sold.add(item.sold);
    }
    connection_->run_all(
        Statement{kPutSale, Values(sale, name(row.state), std::string_view(row.uuid), row.opens_ms, row.closes_ms,
                                   row.hold_ms, row.probe_ms, row.replicas, row.buyer_orders_max, row.fence_epoch,
                                   row.watermark.epoch, row.watermark.seq, std::string_view(row.link),
                                   std::string_view(row.rec_uuid), row.rec_beat_ms)},
        Statement{kPutItems, Values(sale, std::move(items), std::move(totals), std::move(limits), std::move(sold))});
  });
}

Result<std::vector<SaleRow>> PostgresTransaction::sales(bool with_retired) {
  return frame_.attempt(Touch::reads, [&] {
    const auto found = connection_->run_all(Statement{kSales, Values(with_retired)}, Statement{kItemsOfAll});
    const Rows& items = found[1];
    std::vector<SaleRow> rows;
    int next = 0;
    for (int i = 0; i < found[0].size(); ++i) {
      SaleRow& row = rows.emplace_back(read_sale(found[0], i));
      while (next < items.size() && items.bytes(next, 0) < row.sale) ++next;  // of sales not asked for
      next = read_items(items, next, row);
    }
    return rows;
  });
}

}  // namespace flashsale::sinks::postgres
