#include "engine/audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_set>

#include "core/record_codec.hpp"
#include "engine/journal_applier.hpp"
#include "engine/settle.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kOrdersPerRead = 1000;
constexpr const char* kScanCount = "1000";

/// What the database says of one order: of those that are orders, and of those that were set aside.
struct Expected {
  const Order* order;
  std::string_view state;  // reserved, confirmed, released, expired, dead, dropped
  bool holds;              // units that nobody else may have
  bool may_hold = false;   // given back, and Redis not told yet
};

Expected expected_of(const OrderRow& row) {
  const bool holds = row.state == OrderState::reserved || row.state == OrderState::confirmed;
  return {&row.order, name(row.state), holds, !row.credited};
}

Expected expected_of(const DeadRow& row) {
  const bool dropped = row.fate == DeadFate::dropped;
  return {&row.order, name(row.fate), !dropped, dropped && !row.told};
}

/// The letters of lua/reserve.lua that the database's states may have in Redis.
std::string_view letters_of(std::string_view state) {
  if (state == "reserved") return "r";
  if (state == "confirmed") return "c";
  if (state == "dead") return "k";
  return "gdxe";  // on its way back, or back
}

bool holds(char letter) { return letter != 'd' && letter != 'e'; }

/// One look at both sides, buyer by buyer.
class Comparison {
 public:
  Comparison(const ControlledSale& sale, const core::SaleMeta& meta) : sale_(sale), meta_(meta) {}

  Result<AuditReport> run() {
    auto transaction = sale_.sink->begin(OrderSink::Access::read, sale_.deadline);
    if (!transaction) return unexpected(std::move(transaction.error()));
    for (const auto stage :
         {&Comparison::begin, &Comparison::compare_orders, &Comparison::compare_left_dead, &Comparison::find_strangers})
      if (auto done = (this->*stage)(**transaction); !done) return unexpected(std::move(done.error()));
    return std::move(report_);
  }

 private:
  Result<Done> begin(SinkTransaction& transaction);
  Result<Done> compare_orders(SinkTransaction& transaction);
  Result<Done> compare_left_dead(SinkTransaction& transaction);
  Result<Done> find_strangers(SinkTransaction& transaction);
  Result<Done> compare_buyers(const std::vector<OrderRow>& rows);
  void compare_buyer(const std::string& buyer, std::vector<Expected> expected, std::string_view record);
  void compare_order(const std::string& buyer, const Expected& expected, const core::ReadLine* line);
  void count(const Expected& expected, bool is_held_in_redis);
  void note(const std::string& buyer, const core::ReadLine& line, std::string why);
  void note(AuditOrder order);
  AuditItem* item_of(std::string_view name);

  const ControlledSale& sale_;
  const core::SaleMeta& meta_;
  AuditReport report_;
  std::map<std::string, std::vector<DeadRow>> dead_;  // by buyer
  std::unordered_set<std::string> seen_;              // buyers that were compared
};

Result<Done> Comparison::begin(SinkTransaction& transaction) {
  auto row = transaction.lock_sale(SaleId{sale_.id});
  if (!row) return unexpected(std::move(row.error()));
  if (!*row) return fail(ErrorCode::not_found, fmt::format("{} has no sale {}", sale_.sink->describe(), sale_.id));
  report_.sale = sale_.id;
  report_.at = (*row)->watermark;
  for (const ItemRow& item : (*row)->items) {
    AuditItem sum;
    sum.item = item.item;
    sum.total = item.total;
    for (const auto& of_redis : meta_.items)
      if (of_redis.item == item.item) sum.available = of_redis.total - of_redis.booked;
    report_.items.push_back(std::move(sum));
  }
  auto dead = transaction.dead(SaleId{sale_.id}, /*only_untold=*/false);
  if (!dead) return unexpected(std::move(dead.error()));
  for (DeadRow& set_aside : *dead) {
    if (set_aside.fate == DeadFate::retried) continue;  // it is among the orders
    std::string buyer = set_aside.order.buyer;
    dead_[std::move(buyer)].push_back(std::move(set_aside));
  }
  return {};
}

Result<Done> Comparison::compare_orders(SinkTransaction& transaction) {
  std::string after;
  for (;;) {
    const auto rows = transaction.orders_by_buyer(SaleId{sale_.id}, after, kOrdersPerRead);
    if (!rows) return unexpected(rows.error());
    if (rows->empty()) return {};
    if (auto done = compare_buyers(*rows); !done) return done;
    after = rows->back().order.buyer;
  }
}

/// Whole buyers, with one round trip for their records.
Result<Done> Comparison::compare_buyers(const std::vector<OrderRow>& rows) {
  Command command{"HMGET", sale_.keys.buyers};
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (i == 0 || rows[i].order.buyer != rows[i - 1].order.buyer) command.push_back(rows[i].order.buyer);
  const auto read = read_at_primary(*sale_.pool, sale_.id, {command}, sale_.deadline);
  if (!read) return unexpected(read.error());
  const auto& records = read->replies.front().elements;
  if (records.size() + 2 != command.size()) return fail(ErrorCode::protocol, "HMGET answered another number of fields");
  std::size_t first = 0;
  for (const Reply& record : records) {
    std::vector<Expected> expected;
    const std::string& buyer = rows[first].order.buyer;
    for (; first < rows.size() && rows[first].order.buyer == buyer; ++first)
      expected.push_back(expected_of(rows[first]));
    compare_buyer(buyer, std::move(expected), record.text);
  }
  return {};
}

Result<Done> Comparison::compare_left_dead(SinkTransaction&) {
  for (const auto& [buyer, rows] : dead_) {
    if (seen_.count(buyer) > 0) continue;
    const auto read = read_at_primary(*sale_.pool, sale_.id, {{"HGET", sale_.keys.buyers, buyer}}, sale_.deadline);
    if (!read) return unexpected(read.error());
    compare_buyer(buyer, {}, read->replies.front().text);
  }
  return {};
}

/// Buyers of whom the database knows nothing.
Result<Done> Comparison::find_strangers(SinkTransaction&) {
  std::string cursor = "0";
  do {
    const auto read = read_at_primary(*sale_.pool, sale_.id,
                                      {{"HSCAN", sale_.keys.buyers, cursor, "COUNT", kScanCount}}, sale_.deadline);
    if (!read) return unexpected(read.error());
    const auto& page = read->replies.front().elements;
    if (page.size() != 2) return fail(ErrorCode::protocol, "the reply to HSCAN does not read");
    const auto& fields = page[1].elements;
    for (std::size_t i = 0; i + 1 < fields.size(); i += 2)
      if (fields[i].text != "#" && seen_.count(fields[i].text) == 0)
        compare_buyer(fields[i].text, {}, fields[i + 1].text);
    cursor = page[0].text;
  } while (cursor != "0");
  return {};
}

void Comparison::compare_buyer(const std::string& buyer, std::vector<Expected> expected, std::string_view record) {
  seen_.insert(buyer);
  if (const auto dead = dead_.find(buyer); dead != dead_.end())
    for (const DeadRow& row : dead->second) expected.push_back(expected_of(row));
  const auto lines = core::read_record(record);
  std::vector<bool> known(lines.size());
  for (const Expected& one : expected) {
    const core::ReadLine* found = nullptr;
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (lines[i].order != one.order->id) continue;
      found = &lines[i];
      known[i] = true;
    }
    compare_order(buyer, one, found);
  }
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (!known[i] && holds(lines[i].state)) note(buyer, lines[i], "Redis has it, the database has not");
}

void Comparison::compare_order(const std::string& buyer, const Expected& expected, const core::ReadLine* line) {
  const bool is_held = line != nullptr && holds(line->state);
  count(expected, is_held);
  const bool same = line != nullptr && letters_of(expected.state).find(line->state) != std::string_view::npos;
  const std::int64_t units = expected.order->quantity;
  AuditOrder order{expected.order->id,
                   buyer,
                   expected.order->request,
                   expected.order->item,
                   0,
                   fmt::format("the database has it as {}, Redis {}", expected.state,
                               line == nullptr ? std::string("not at all") : fmt::format("as '{}'", line->state))};
  if (expected.holds && !is_held)
    order.difference = units;
  else if (!expected.holds && is_held && !expected.may_hold)
    order.difference = -units;
  else if (same || (!expected.holds && !is_held) || (expected.may_hold && is_held))
    return;
  note(std::move(order));
}

void Comparison::count(const Expected& expected, bool is_held_in_redis) {
  AuditItem* const item = item_of(expected.order->item);
  if (item == nullptr) return;
  const std::int64_t units = expected.order->quantity;
  if (expected.state == "reserved") item->held += units;
  if (expected.state == "confirmed") item->confirmed += units;
  if (expected.state == "dead") item->dead += units;
  if (!expected.holds && expected.may_hold && is_held_in_redis) item->returning += units;
}

void Comparison::note(const std::string& buyer, const core::ReadLine& line, std::string why) {
  AuditOrder order{line.order, buyer, std::string(line.request), "", -line.quantity, std::move(why)};
  if (line.item >= 1 && line.item <= report_.items.size()) order.item = report_.items[line.item - 1].item;
  note(std::move(order));
}

void Comparison::note(AuditOrder order) {
  ++report_.differing;
  if (report_.orders.size() < kAuditOrdersMax) report_.orders.push_back(std::move(order));
}

AuditItem* Comparison::item_of(std::string_view name) {
  const auto found = std::find_if(report_.items.begin(), report_.items.end(),
                                  [&](const AuditItem& item) { return item.item == name; });
  return found == report_.items.end() ? nullptr : &*found;
}

bool stood_still(const core::SaleMeta& before, const core::SaleMeta& after, Position at) {
  const auto same_item = [](const auto& one, const auto& other) {
    return one.item == other.item && one.total == other.total && one.booked == other.booked;
  };
  return before.epoch == after.epoch && before.seq == after.seq && at == Position{after.epoch, after.seq} &&
         std::equal(before.items.begin(), before.items.end(), after.items.begin(), after.items.end(), same_item);
}

}  // namespace

Result<AuditReport> audit(const ControlledSale& sale) {
  for (int attempt = 1;; ++attempt) {
    const auto before = read_sale_to_change(sale);
    if (!before) return unexpected(before.error());
    if (before->queue == QueueMode::list)
      return fail(ErrorCode::unsupported,
                  fmt::format("sale {} is in list mode: there is no database to compare", sale.id));
    auto applied = apply_until(sale.pool, sale.sink, sale.id, {before->epoch, before->seq}, sale.deadline);
    if (!applied) return unexpected(std::move(applied.error()));
    if (auto told = settle(*sale.pool, *sale.sink, sale.id, sale.deadline); !told)
      return unexpected(std::move(told.error()));
    const auto meta = read_sale(sale);
    if (!meta) return unexpected(meta.error());
    auto report = Comparison(sale, *meta).run();
    if (!report) return report;
    const auto after = read_sale(sale);
    if (!after) return unexpected(after.error());
    if (stood_still(*meta, *after, report->at)) return report;
    if (!sleep_within(pause_before(attempt), sale.deadline))
      return fail(ErrorCode::busy, fmt::format("sale {} did not stand still: pause it for the audit", sale.id));
  }
}

}  // namespace flashsale::engine
