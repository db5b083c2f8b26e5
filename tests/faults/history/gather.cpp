// What a night left behind, read for the checker.
#include <fmt/format.h>

#include "core/keyspace.hpp"
#include "core/record_codec.hpp"
#include "core/sale_meta.hpp"
#include "engine/script_runner.hpp"
#include "faults/history/stage.hpp"
#include "flashsale/order_queue.hpp"
#include "support/served_sale.hpp"

namespace flashsale::history {
namespace {
constexpr const char* kSale = "spring";
}  // namespace

void Stage::gather() {
  night.ops = read_history(dir("own.history"), histories_.size());
  for (std::size_t i = 0; i < histories_.size(); ++i)
    for (Op& op : read_history(histories_[i], i)) night.ops.push_back(std::move(op));
  auto reading = sink_->begin(OrderSink::Access::read, test::soon());
  if (!reading) return complain("I13 the database cannot be read: " + to_string(reading.error()));
  const auto row = (*reading)->lock_sale(SaleId{kSale});
  auto orders = (*reading)->orders_by_buyer(SaleId{kSale}, "", 10'000'000);
  auto dead = (*reading)->dead(SaleId{kSale}, false);
  if (!row || !*row || !orders || !dead) return complain("I13 the database cannot be read");
  night.row = **row;
  night.orders = std::move(*orders);
  night.dead = std::move(*dead);
  gather_redis();
  gather_journal();
}

void Stage::gather_redis() {
  const core::Keys keys(kSale);
  auto replies = engine::run_commands(*direct_pool(), Role::primary, kSale,
                                      {{"HGETALL", keys.meta}, {"HGETALL", keys.buyers}}, test::soon());
  if (!replies) return complain("I13 Redis cannot be read: " + to_string(replies.error()));
  const auto found = core::read_meta((*replies)[0], core::Rebuilding::read);
  if (!found) return complain("I7 Redis has no sale: " + to_string(found.error()));
  night.redis_at = {found->epoch, found->seq};
  night.redis_watermark = found->watermark;
  for (const auto& item : found->items) night.redis_items[item.item] = {item.total, item.booked};
  const auto& records = (*replies)[1].elements;
  for (std::size_t i = 0; i + 1 < records.size(); i += 2) {
    if (records[i].text == "#") continue;
    for (const core::ReadLine& line : core::read_record(records[i + 1].text))
      night.redis_orders[line.order] = {records[i].text, std::string(line.request), line.state};
  }
}

/// From the watermark's own entry on, which settle keeps: each entry follows the one before it.
void Stage::gather_journal() {
  const auto entries = OrderQueue(direct_pool()).read(SaleId{kSale}, Position{}, 10'000, test::soon());
  if (!entries) return complain("I13 the journal cannot be read: " + to_string(entries.error()));
  const JournalEntry* before = nullptr;
  for (const JournalEntry& entry : *entries) {
    if (!entry.defect.empty()) night.journal_defect = to_string(entry.at) + " " + entry.defect;
    const bool follows = before == nullptr || entry.at.epoch > before->at.epoch ||
                         (entry.at.seq == before->at.seq + 1 && entry.link == before->nonce);
    if (!follows) night.journal_defect = fmt::format("{} follows {}", to_string(entry.at), to_string(before->at));
    before = &entry;
  }
}

}  // namespace flashsale::history
