#include "support/memory_sink.hpp"

#include <algorithm>
#include <chrono>

#include "sinks/order_rules.hpp"
#include "util/deadline.hpp"

namespace flashsale::test {

class MemoryTransaction : public SinkTransaction {
 public:
  MemoryTransaction(std::shared_ptr<MemorySink> sink, MemoryRows rows, bool writes)
      : sink_(std::move(sink)), rows_(std::move(rows)), writes_(writes) {}
  ~MemoryTransaction() override {
    const std::lock_guard<std::mutex> lock(sink_->mutex_);
    let_go();
  }

  Result<std::optional<SaleRow>> lock_sale(SaleId sale) override {
    const MemorySale* found = find(sale);
    if (found == nullptr) return std::optional<SaleRow>();
    return std::optional<SaleRow>(found->row);
  }

  Result<Done> put_sale(const SaleRow& row) override {
    SaleRow& kept = rows_[row.sale].row;
    std::vector<ItemRow> items = kept.items;
    for (const ItemRow& item : row.items) {
      if (ItemRow* known = sinks::find_item(items, item.item)) {
        known->total = item.total;
        known->limit = item.limit;
      } else {
        items.push_back(item);
      }
    }
    kept = row;
    kept.items = std::move(items);
    return Done{};
  }

  Result<std::vector<SaleRow>> sales(bool with_retired) override {
    std::vector<SaleRow> found;
    for (const auto& [name, sale] : rows_)
      if (with_retired || sale.row.state != SaleState::retired) found.push_back(sale.row);
    return found;
  }

  Result<std::vector<Insert>> insert_orders(SaleId sale, const Order* orders, std::size_t count) override {
    std::vector<Insert> verdicts;
    MemorySale nothing;
    MemorySale* rows = find(sale);
    for (const Order* order = orders; order != orders + count; ++order)
      verdicts.push_back(insert(rows == nullptr ? nothing : *rows, *order));
    return verdicts;
  }

  Result<std::vector<bool>> move_orders(SaleId sale, OrderState to, const Order* orders, std::size_t count) override {
    std::vector<bool> moved(count);
    MemorySale* rows = find(sale);
    for (std::size_t i = 0; rows != nullptr && i < count; ++i) {
      const auto at = rows->orders.find(orders[i].id);
      if (at == rows->orders.end() || at->second.state != OrderState::reserved) continue;
      const Order& order = at->second.order;
      if (order.buyer != orders[i].buyer) continue;
      moved[i] = true;
      at->second.state = to;
      if (to == OrderState::confirmed) continue;
      at->second.credited = false;
      rows->holding[{order.buyer, order.item}] -= order.quantity;
      sinks::find_item(rows->row.items, order.item)->sold -= order.quantity;
    }
    return moved;
  }

  Result<std::vector<OrderRow>> orders_by_buyer(SaleId sale, std::string_view after_buyer, std::size_t count) override {
    std::vector<OrderRow> found;
    const MemorySale* rows = find(sale);
    if (rows == nullptr) return found;
    for (const auto& [request, id] : rows->by_request)
      if (request.first > after_buyer) found.push_back(rows->orders.at(id));
    std::sort(found.begin(), found.end(), [](const OrderRow& a, const OrderRow& b) {
      return a.order.buyer != b.order.buyer ? a.order.buyer < b.order.buyer : a.order.id < b.order.id;
    });
    std::size_t end = std::min(std::max<std::size_t>(count, 1), found.size());
    while (end > 0 && end < found.size() && found[end].order.buyer == found[end - 1].order.buyer) ++end;
    found.resize(end);
    return found;
  }

  Result<std::vector<OrderRow>> orders_by_id(SaleId sale, OrderId after, std::size_t count) override {
    std::vector<OrderRow> found;
    const std::size_t page = std::min<std::size_t>(count, 4);  // so that a few orders are many pages
    if (const MemorySale* rows = find(sale))
      for (auto at = rows->orders.upper_bound(after); at != rows->orders.end() && found.size() < page; ++at) {
        found.push_back(at->second);
        found.back().order.payload.clear();
      }
    return found;
  }

  Result<std::optional<OrderRow>> find_order(SaleId sale, BuyerId buyer, RequestId request) override {
    const MemorySale* rows = find(sale);
    if (rows == nullptr) return std::optional<OrderRow>();
    const auto at = rows->by_request.find({std::string(buyer.text()), std::string(request.text())});
    if (at == rows->by_request.end()) return std::optional<OrderRow>();
    return std::optional<OrderRow>(rows->orders.at(at->second));
  }

  Result<std::vector<OrderRow>> uncredited(SaleId sale, std::size_t count) override {
    std::vector<OrderRow> found;
    if (const MemorySale* rows = find(sale))
      for (const auto& [id, row] : rows->orders)
        if (!row.credited && found.size() < count) found.push_back(row);
    return found;
  }

  Result<Done> mark_credited(SaleId sale, const OrderId* orders, std::size_t count) override {
    if (MemorySale* rows = find(sale))
      for (const OrderId* id = orders; id != orders + count; ++id)
        if (const auto at = rows->orders.find(*id); at != rows->orders.end()) at->second.credited = true;
    return Done{};
  }

  Result<Done> set_aside(SaleId sale, const DeadRow& dead) override {
    rows_[std::string(sale.text())].dead.emplace(dead.order.id, dead);
    return Done{};
  }

  Result<std::vector<DeadRow>> dead(SaleId sale, bool only_untold) override {
    std::vector<DeadRow> found;
    if (const MemorySale* rows = find(sale))
      for (const auto& [id, row] : rows->dead)
        if (!only_untold || !row.told) found.push_back(row);
    return found;
  }

  Result<bool> decide_dead(SaleId sale, const DeadRow& decided) override {
    MemorySale* const rows = find(sale);
    const auto at = rows == nullptr ? nullptr : find_dead(*rows, decided.order.id);
    if (at == nullptr || at->fate != DeadFate::dead) return false;
    at->fate = decided.fate;
    at->order.hold_until_ms = decided.order.hold_until_ms;
    at->told = false;
    return true;
  }
  Result<Done> mark_told(SaleId sale, const DeadRow* told, std::size_t count) override {
    if (MemorySale* rows = find(sale))
      for (const DeadRow* row = told; row != told + count; ++row)
        if (DeadRow* const at = find_dead(*rows, row->order.id)) at->told = at->fate == row->fate;
    return Done{};
  }

  Result<bool> put_operation(SaleId sale, OperationId operation, ItemId item, std::int64_t units) override {
    const std::string name(operation.text());
    return rows_[std::string(sale.text())]
        .operations.emplace(name, OperationRow{name, std::string(item.text()), units})
        .second;
  }

  Result<std::vector<OperationRow>> operations(SaleId sale) override {
    std::vector<OperationRow> found;
    if (const MemorySale* rows = find(sale))
      for (const auto& [name, row] : rows->operations) found.push_back(row);
    return found;
  }

  Result<Done> put_repair(SaleId sale, const RepairRow* rows, std::size_t count) override {
    auto& repairs = rows_[std::string(sale.text())].repairs;
    const auto is_same = [&](const RepairRow& known) { return known.repair == rows->repair; };
    if (count > 0 && std::none_of(repairs.begin(), repairs.end(), is_same))
      repairs.insert(repairs.end(), rows, rows + count);
    return Done{};
  }

  Result<Done> finish_repairs(SaleId sale, std::uint64_t epoch) override {
    if (MemorySale* rows = find(sale))
      for (RepairRow& row : rows->repairs)
        if (row.done_epoch == 0) row.done_epoch = epoch;
    return Done{};
  }

  Result<std::vector<RepairRow>> repairs(SaleId sale) override {
    const MemorySale* rows = find(sale);
    if (rows == nullptr) return std::vector<RepairRow>();
    std::vector<RepairRow> found = rows->repairs;
    std::stable_sort(found.begin(), found.end(), [](const RepairRow& a, const RepairRow& b) {
      return a.at_ms != b.at_ms ? a.at_ms < b.at_ms : a.repair < b.repair;
    });
    return found;
  }

  Result<Done> put_receipts(SaleId sale, const Receipt* receipts, std::size_t count) override {
    auto& kept = rows_[std::string(sale.text())].receipts;
    for (const Receipt* receipt = receipts; receipt != receipts + count; ++receipt)
      kept.emplace(std::make_pair(receipt->act, receipt->order.id), *receipt);
    return Done{};
  }

  Result<std::vector<Receipt>> receipts(SaleId sale, Verb act, OrderId after, std::size_t count) override {
    std::vector<Receipt> found;
    if (const MemorySale* rows = find(sale))
      for (const auto& [key, receipt] : rows->receipts)
        if (key.first == act && after < key.second && found.size() < count) found.push_back(receipt);
    return found;
  }

  Result<std::size_t> drop_receipts(SaleId sale, Position until) override {
    std::size_t dropped = 0;
    MemorySale* const rows = find(sale);
    if (rows == nullptr) return dropped;
    for (auto at = rows->receipts.begin(); at != rows->receipts.end();) {
      const bool drop = at->second.at <= until;
      at = drop ? rows->receipts.erase(at) : std::next(at);
      dropped += drop ? 1 : 0;
    }
    return dropped;
  }

  Result<Done> put_receipt_holder(SaleId sale, const ReceiptHolder& holder) override {
    rows_[std::string(sale.text())].holders[holder.holder] = holder;
    return Done{};
  }

  Result<std::vector<ReceiptHolder>> receipt_holders(SaleId sale) override {
    std::vector<ReceiptHolder> found;
    if (const MemorySale* rows = find(sale))
      for (const auto& [name, holder] : rows->holders) found.push_back(holder);
    return found;
  }

  Result<Done> drop_receipt_holders(SaleId sale, std::int64_t beat_ms) override {
    MemorySale* const rows = find(sale);
    if (rows == nullptr) return Done{};
    for (auto at = rows->holders.begin(); at != rows->holders.end();)
      at = at->second.beat_ms < beat_ms ? rows->holders.erase(at) : std::next(at);
    return Done{};
  }

  Result<std::int64_t> now_ms() override {
    if (util::SimulatedWorld* world = util::simulated_world()) return util::steady_ms(world->now());
    return std::chrono::duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  }

  Result<Done> commit() override {
    const std::lock_guard<std::mutex> lock(sink_->mutex_);
    if (writes_) sink_->rows_ = std::move(rows_);
    let_go();
    return Done{};
  }

 private:
  // The caller holds the sink's mutex.
  void let_go() {
    if (!writes_) return;
    writes_ = false;
    sink_->is_written_ = false;
    sink_->freed_.notify_one();
  }

  static DeadRow* find_dead(MemorySale& rows, OrderId id) {
    const auto at = rows.dead.find(id);
    return at == rows.dead.end() ? nullptr : &at->second;
  }
  MemorySale* find(SaleId sale) {
    const auto at = rows_.find(sale.text());
    return at == rows_.end() ? nullptr : &at->second;
  }

  static Insert known(const MemorySale& rows, const Order& order, Insert otherwise) {
    const auto by_id = rows.orders.find(order.id);
    const auto by_request = rows.by_request.find({order.buyer, order.request});
    if (by_id == rows.orders.end() && by_request == rows.by_request.end()) return otherwise;
    const bool same = by_id != rows.orders.end() && sinks::same_order(order, by_id->second.order);
    return same ? Insert::same : Insert::conflict;
  }

  static Insert insert(MemorySale& rows, const Order& order) {
    if (!sinks::storable(order)) return Insert::poison;
    ItemRow* item = sinks::find_item(rows.row.items, order.item);
    if (item == nullptr || item->sold + order.quantity > item->total) return known(rows, order, Insert::oversold);
    if (const Insert verdict = known(rows, order, Insert::inserted); verdict != Insert::inserted) return verdict;
    std::int64_t& held = rows.holding[{order.buyer, order.item}];
    if (held + order.quantity > item->limit) return Insert::over_limit;
    held += order.quantity;
    item->sold += order.quantity;
    OrderRow row;
    row.order = order;
    rows.orders.emplace(order.id, std::move(row));
    rows.by_request.emplace(std::make_pair(order.buyer, order.request), order.id);
    return Insert::inserted;
  }

  const std::shared_ptr<MemorySink> sink_;
  MemoryRows rows_;
  bool writes_;  // holds the sink's write lock
};

Result<std::unique_ptr<SinkTransaction>> MemorySink::begin(Access access, Deadline deadline) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (access == Access::write) {
    // On a simulation's one thread nobody could end the other one meanwhile.
    const bool is_free = util::simulated_world() != nullptr
                             ? !is_written_
                             : freed_.wait_until(lock, deadline, [this] { return !is_written_; });
    if (!is_free) return fail(ErrorCode::busy, "another transaction writes");
    is_written_ = true;
  }
  return std::make_unique<MemoryTransaction>(shared_from_this(), rows_, access == Access::write);
}

Result<std::string> MemorySink::id(Deadline) { return std::string("the-one-in-memory"); }

MemoryRows MemorySink::rows() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return rows_;
}

}  // namespace flashsale::test
