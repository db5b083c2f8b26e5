#include "simulation/judge.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

namespace flashsale::simulation {
namespace {

/// Time linear in the answers but for logarithms: all that belongs together is found by its name.
class Judge {
 public:
  explicit Judge(const Night& night)
      : night_(night), network_(night.network), history_(night.history), items_(night.items), hold_(night.hold) {}

  std::vector<std::string> run(const test::MemoryRows& rows);

 private:
  void check_items(const test::MemorySale& rows);
  void check_buyers(const test::MemorySale& rows);
  void check_answers(const test::MemorySale& rows);
  void check_written(const Heard& heard, const test::MemorySale& rows);
  void check_order(const Heard& heard, const test::MemorySale& rows);
  bool may_be_lost(const Heard& heard) const;
  void check_receipts(const test::MemorySale& rows);
  void check_refusals(const test::MemorySale& rows);
  void check_winners(const test::MemorySale& rows);
  void check_last_words(const test::MemorySale& rows);
  void check_final(std::size_t at, const test::MemorySale& rows);
  void check_records(const test::MemorySale& rows);
  void check_redis(const test::MemorySale& rows);
  void check_holds(const test::MemorySale& rows);
  void check_limits(const test::MemorySale& rows);
  template <class... Args>
  void violate(fmt::format_string<Args...> text, Args&&... args) {
    violations_.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  const Night& night_;
  const Network& network_;
  const std::vector<Heard>& history_;
  const std::vector<ItemTerms>& items_;
  const milliseconds hold_;
  std::vector<std::string> violations_;
};

void Judge::check_items(const test::MemorySale& rows) {
  std::map<std::string, std::int64_t> active;
  for (const auto& [id, row] : rows.orders) {
    if (row.state == OrderState::reserved || row.state == OrderState::confirmed)
      active[row.order.item] += row.order.quantity;
    if (!row.credited) violate("{} is still on its way back", to_string(id));
  }
  for (const ItemRow& item : rows.row.items) {
    if (item.sold > item.total) violate("{}: {} sold of {}", item.item, item.sold, item.total);
    if (item.sold != active[item.item])
      violate("{}: the database counts {} sold, its orders say {}", item.item, item.sold, active[item.item]);
    if (hold_ == milliseconds(0) && rows.row.state == SaleState::open && item.sold != item.total && rows.dead.empty())
      violate("{}: sold out, but only {} of {} were sold", item.item, item.sold, item.total);
  }
}

void Judge::check_buyers(const test::MemorySale& rows) {
  std::map<std::pair<std::string, std::string>, std::int64_t> held;
  for (const auto& [id, row] : rows.orders)
    if (row.state == OrderState::reserved || row.state == OrderState::confirmed)
      held[{row.order.buyer, row.order.item}] += row.order.quantity;
  for (const auto& [key, units] : held)
    for (const ItemTerms& item : items_)
      if (item.item == key.second && units > item.limit)
        violate("{} holds {} of {}, at most {} are allowed", key.first, units, item.item, item.limit);
  for (const auto& [id, dead] : rows.dead) violate("{} was set aside: {}", to_string(id), dead.reason);
}

/// What was answered against what is written. A purchase is known by buyer and request.
void Judge::check_answers(const test::MemorySale& rows) {
  std::map<OrderId, std::pair<std::string, std::string>> owner;
  std::map<OrderId, std::int64_t> hold_until;
  std::map<std::pair<std::string, std::string>, std::set<OrderId>> orders_of;
  for (const Heard& heard : history_) {
    // An old primary that does not know it yet has no way to know better (docs/guarantees.md).
    if (heard.written && !network_.faults().zombie) check_written(heard, rows);
    if (!heard.answer || !heard.answer->order) continue;
    const OrderId id = heard.answer->order;
    // Whatever was lost: an order's name is one buyer's, for one request.
    if (const auto [known, is_new] = owner.emplace(id, heard.key()); !is_new && known->second != heard.key())
      violate("{} was told to {} {} and to {} {}", to_string(id), known->second.first, known->second.second,
              heard.buyer, heard.request);
    orders_of[heard.key()].insert(id);
    if (heard.answer->hold_until_ms > 0) hold_until[id] = std::max(hold_until[id], heard.answer->hold_until_ms);
    if (heard.is(Outcome::confirmed) && hold_until[id] > 0 && heard.from_ms + kEpochMs > hold_until[id] &&
        !network_.faults().clock)
      violate("{} was confirmed {} ms after its hold", to_string(id), heard.from_ms + kEpochMs - hold_until[id]);
    check_order(heard, rows);
  }
  for (const auto& [key, ids] : orders_of)
    if (ids.size() > 1 && !network_.may_have_lost)
      violate("{} {} heard of {} orders", key.first, key.second, ids.size());
}

/// What the database had, nobody is told otherwise of: whatever Redis lost since.
void Judge::check_written(const Heard& heard, const test::MemorySale& rows) {
  if (!heard.answer && heard.answer.error().code == ErrorCode::conflict) {
    const auto row = rows.orders.find(*heard.written);
    if (row != rows.orders.end() && row->second.order.item == heard.item &&
        row->second.order.quantity == heard.quantity)
      violate("{} {} asked for {} again, and heard that it was another purchase", heard.buyer, heard.request,
              to_string(*heard.written));
  }
  if (!heard.answer || heard.is(Outcome::paused)) return;
  // A replica that lags still tells a gate that has heard of no more of an order that was lost before this one was won.
  if (heard.verb == Verb::status && heard.answer->order && heard.answer->order.at.epoch < heard.written->at.epoch)
    return;
  if (heard.answer->order && heard.answer->order != *heard.written)
    violate("{} {} has {}, and heard of {}", heard.buyer, heard.request, to_string(*heard.written),
            to_string(heard.answer->order));
  if (!heard.answer->order)
    violate("{} {} has {}, and heard {}", heard.buyer, heard.request, to_string(*heard.written),
            name(heard.answer->outcome));
}

/// A failover takes what only its primary had; what every replica had goes with all of the nodes alone, or where a
/// worker reconciles onto a zombie (docs/guarantees.md).
bool Judge::may_be_lost(const Heard& heard) const {
  const Faults& faults = network_.faults();
  const bool all_had_it = heard.answer->level == Level::replicas && heard.answer->outcome != Outcome::pending;
  return network_.may_have_lost && (!all_had_it || faults.restart || faults.forget || faults.zombie);
}

void Judge::check_order(const Heard& heard, const test::MemorySale& rows) {
  const OrderId id = heard.answer->order;
  const auto at = rows.orders.find(id);
  if (at == rows.orders.end()) {
    if (!may_be_lost(heard))
      violate("{} {} heard {} ({}), which nobody wrote down", heard.buyer, heard.request, to_string(id),
              name(heard.answer->outcome));
    return;
  }
  const OrderRow& row = at->second;
  if (row.order.buyer != heard.buyer || row.order.request != heard.request)
    return violate("{} {} heard of somebody else's order {}", heard.buyer, heard.request, to_string(id));
  if (heard.verb == Verb::reserve && (row.order.item != heard.item || row.order.quantity != heard.quantity))
    violate("{} {} asked for {} {}, and {} {} were written", heard.buyer, heard.request, heard.quantity, heard.item,
            row.order.quantity, row.order.item);
  if (may_be_lost(heard)) return;
  if ((heard.is(Outcome::confirmed) || heard.is(Outcome::already_confirmed)) && row.state != OrderState::confirmed)
    violate("{} was confirmed and is {}", to_string(id), name(row.state));
  if ((heard.is(Outcome::released) || heard.is(Outcome::already_released)) && row.state != OrderState::released)
    violate("{} was released and is {}", to_string(id), name(row.state));
  // Time that is set back gives a hold its time again: a look at the clock is not written down.
  if (heard.is(Outcome::expired) && !network_.faults().clock && row.state != OrderState::expired &&
      row.state != OrderState::reserved)
    violate("{} had expired and is {}", to_string(id), name(row.state));
}

/// What a gate told comes back by its receipts, whatever Redis lost, as long as the gate lives; or it is counted. That
/// takes a gate that could not reach the database in time, an old primary that went on answering, a restock that went
/// with the orders for which it made room, or, for a confirm and a release, an order that only a killed gate had told.
void Judge::check_receipts(const test::MemorySale& rows) {
  std::set<std::pair<Verb, OrderId>> missing;
  std::set<OrderId> kept;
  for (const Heard& heard : history_)
    if (night_.lasting_receipts[heard.gate] && (heard.is(Outcome::reserved) || heard.is(Outcome::already_reserved)))
      kept.insert(heard.answer->order);
  const bool may_miss = network_.faults().database || network_.faults().zombie || night_.unheard_restock;
  bool may_miss_all = true;
  for (const Heard& heard : history_) {
    if (!night_.lasting_receipts[heard.gate] || !heard.answer || !heard.answer->order) continue;
    const OrderId id = heard.answer->order;
    const auto row = rows.orders.find(id);
    const bool confirmed = heard.is(Outcome::confirmed), released = heard.is(Outcome::released);
    if (!heard.is(Outcome::reserved) && !confirmed && !released) continue;
    const bool is_there = row != rows.orders.end() && (!confirmed || row->second.state == OrderState::confirmed) &&
                          (!released || row->second.state == OrderState::released);
    if (is_there || rows.dead.count(id) > 0) continue;
    missing.emplace(heard.verb, id);
    may_miss_all &= may_miss || (heard.verb != Verb::reserve && row == rows.orders.end() && kept.count(id) == 0);
  }
  if (missing.size() > night_.receipts_missed || !may_miss_all)
    violate("{} receipts are lost, {} of them counted: {} of {}, for instance", missing.size(), night_.receipts_missed,
            name(missing.begin()->first), to_string(missing.begin()->second));
}

/// A no is a no: whoever heard nothing else has no order, and `not_reserved` of the gate that asked is final.
void Judge::check_refusals(const test::MemorySale& rows) {
  std::set<std::pair<std::string, std::string>> may_have_won;
  for (const Heard& heard : history_) {
    if (heard.verb == Verb::reserve && !heard.says_no()) may_have_won.insert(heard.key());
  }
  for (const auto& [id, row] : rows.orders)
    if (may_have_won.count({row.order.buyer, row.order.request}) == 0)
      violate("{} was sold to {} {}, who was told no each time", to_string(id), row.order.buyer, row.order.request);
  if (network_.faults().clock) return;  // a node's clock that is set back lets a stalled copy live longer
  check_winners(rows);
  check_last_words(rows);
  for (std::size_t i = 0; i < history_.size(); ++i)
    if (history_[i].verb == Verb::resolve && history_[i].is(Outcome::not_reserved)) check_final(i, rows);
}

/// An order was won by a call that had been made by then and did not hear no: whatever those after it heard.
void Judge::check_winners(const test::MemorySale& rows) {
  if (network_.may_have_lost) return;
  std::set<OrderId> explained;
  for (const Heard& heard : history_) {
    const auto row = rows.by_request.find(heard.key());
    if (heard.verb != Verb::reserve || heard.says_no() || row == rows.by_request.end()) continue;
    const auto won = network_.written_ms.find({row->second.at.epoch, row->second.at.seq});
    if (won == network_.written_ms.end() || heard.from_ms <= won->second) explained.insert(row->second);
  }
  for (const auto& [id, row] : rows.orders)
    if (explained.count(id) == 0)
      violate("{} was won by {} {} with a call that was told no", to_string(id), row.order.buyer, row.order.request);
}

/// `not_reserved` is final for all that its gate has sent: what is won afterwards is won by a call made afterwards.
void Judge::check_final(std::size_t at, const test::MemorySale& rows) {
  const Heard& asked = history_[at];
  const auto row = rows.by_request.find(asked.key());
  if (row == rows.by_request.end() || network_.may_have_lost) return;
  const auto won = network_.written_ms.find({row->second.at.epoch, row->second.at.seq});
  if (won == network_.written_ms.end() || won->second <= asked.until_ms) return;
  // Somebody's call was under way when it was won; or another gate's copy was, which this one knows nothing of.
  const bool was_asked_for = std::any_of(history_.begin(), history_.end(), [&](const Heard& heard) {
    return heard.verb == Verb::reserve && heard.key() == asked.key() &&
           ((heard.from_ms <= won->second && won->second <= heard.until_ms) || heard.gate != asked.gate ||
            heard.from_ms >= asked.from_ms);
  });
  if (!was_asked_for)
    violate("{} {} was told not_reserved for good, and won {} later", asked.buyer, asked.request,
            to_string(row->second));
}

/// Redis against the database: the same orders, the same stock.
void Judge::check_redis(const test::MemorySale& rows) {
  const auto& values = network_.primary().data().values();
  const auto meta_at = values.find(fmt::format("fs:{{{}}}:meta", kSale));
  if (meta_at == values.end()) return violate("Redis has no sale");
  const Hash& meta = std::get<Hash>(meta_at->second);
  for (std::size_t i = 0; i < rows.row.items.size(); ++i) {
    const ItemRow& item = rows.row.items[i];
    const std::string j = std::to_string(i + 1);
    if (meta.at("total:" + j) != std::to_string(item.total))
      violate("{}: Redis has a total of {}, the database {}", item.item, meta.at("total:" + j), item.total);
    if (meta.at("booked:" + j) != std::to_string(item.sold))
      violate("{}: Redis counts {} booked, the database {} sold", item.item, meta.at("booked:" + j), item.sold);
  }
}

/// A refusal is the last word on all that its gate has sent: no copy of the request wins afterwards.
void Judge::check_last_words(const test::MemorySale& rows) {
  std::map<std::pair<std::string, std::string>, std::vector<const Heard*>> reserves;
  for (const Heard& heard : history_)
    if (heard.verb == Verb::reserve) reserves[heard.key()].push_back(&heard);
  for (auto& [key, asked] : reserves) {
    const Heard* last = *std::max_element(asked.begin(), asked.end(),
                                          [](const Heard* a, const Heard* b) { return a->until_ms < b->until_ms; });
    const bool one_gate = std::all_of(asked.begin(), asked.end(), [&](const Heard* heard) {
      return heard->gate == last->gate && (heard == last || heard->until_ms < last->from_ms);
    });
    // `fenced` speaks of the sale, not of the request.
    const bool refused = last->answer && !last->answer->order && last->answer->reason != PauseReason::fenced;
    const auto row = rows.by_request.find(key);
    if (one_gate && refused && row != rows.by_request.end() && !network_.may_have_lost)
      violate("{} {} was told {}, and has {}", key.first, key.second, name(last->answer->outcome),
              to_string(row->second));
  }
}

/// Each buyer's record says what the database's rows say, and nothing else.
void Judge::check_records(const test::MemorySale& rows) {
  std::map<std::string, std::set<std::string>> expected;
  std::map<std::string, std::uint32_t> count;
  for (const auto& [id, row] : rows.orders) {
    const char state = row.state == OrderState::reserved    ? 'r'
                       : row.state == OrderState::confirmed ? 'c'
                       : row.state == OrderState::released  ? 'd'
                                                            : 'e';
    expected[row.order.buyer].insert(fmt::format("{} {} {}", row.order.request, to_string(id), state));
    if (++count[row.order.buyer] > kBuyerOrders) violate("{} has more than {} orders", row.order.buyer, kBuyerOrders);
  }
  const auto& values = network_.primary().data().values();
  const auto at = values.find(fmt::format("fs:{{{}}}:buyers", kSale));
  if (at == values.end()) return violate("Redis has no buyers");
  for (const auto& [buyer, record] : std::get<Hash>(at->second)) {
    if (buyer == "#") continue;
    std::set<std::string> lines;
    std::istringstream text(record);
    std::string line, request, item, quantity, index, position, state;
    std::getline(text, line);
    while (std::getline(text, line)) {
      std::istringstream(line) >> request >> item >> quantity >> index >> position >> state;
      lines.insert(fmt::format("{} {}.{} {}", request, position, index, state));
    }
    if (lines != expected[buyer])
      violate("{}: Redis has [{}], the database [{}]", buyer, fmt::join(lines, ", "), fmt::join(expected[buyer], ", "));
    expected.erase(buyer);
  }
  for (const auto& [buyer, lines] : expected)
    if (!lines.empty()) violate("{}: Redis has nothing, the database [{}]", buyer, fmt::join(lines, ", "));
}

/// Every deadline is long past: who has not confirmed has given its units back, here and there.
void Judge::check_holds(const test::MemorySale& rows) {
  if (hold_ == milliseconds(0)) return;
  for (const auto& [id, row] : rows.orders)
    if (row.state == OrderState::reserved) violate("{} of {} is held for ever", to_string(id), row.order.buyer);
  const auto& values = network_.primary().data().values();
  const auto holds = values.find(fmt::format("fs:{{{}}}:holds", kSale));
  if (holds == values.end()) return violate("Redis has no holds");
  for (const auto& [member, until] : std::get<SortedSet>(holds->second))
    if (member != "#") violate("nobody swept '{}'", member);
  const Hash& meta = std::get<Hash>(values.at(fmt::format("fs:{{{}}}:meta", kSale)));
  if (const auto held = meta.find("held"); held != meta.end() && held->second != "0")
    violate("Redis counts {} held", held->second);
}

/// What counts against a buyer's limit in Redis is what the buyer has.
void Judge::check_limits(const test::MemorySale& rows) {
  std::map<std::pair<std::string, std::string>, std::int64_t> expected, counted;
  for (const auto& [id, row] : rows.orders)
    if (row.state == OrderState::reserved || row.state == OrderState::confirmed)
      expected[{row.order.buyer, row.order.item}] += row.order.quantity;
  const auto& values = network_.primary().data().values();
  const auto at = values.find(fmt::format("fs:{{{}}}:buyers", kSale));
  if (at == values.end()) return;
  for (const auto& [buyer, record] : std::get<Hash>(at->second)) {
    std::istringstream head(record.substr(0, record.find('\n')));
    std::size_t item = 0;
    std::int64_t units = 0;
    char equals = 0;
    std::string orders;
    for (head >> orders; head >> item >> equals >> units;)
      if (units != 0) counted[{buyer, rows.row.items.at(item - 1).item}] = units;
  }
  for (const auto& [key, units] : expected)
    if (counted[key] != units)
      violate("{} has {} of {}, and Redis counts {}", key.first, units, key.second, counted[key]);
  for (const auto& [key, units] : counted)
    if (expected.count(key) == 0 && units != 0)
      violate("{} has no {}, and Redis counts {}", key.first, key.second, units);
}

std::vector<std::string> Judge::run(const test::MemoryRows& all) {
  const auto sale = all.find(std::string_view(kSale));
  if (sale == all.end()) return {"the database has no sale"};
  if (network_.seen.count("won after its deadline") > 0) violate("a batch won after its callers' deadline");
  check_items(sale->second);
  check_buyers(sale->second);
  check_answers(sale->second);
  check_receipts(sale->second);
  check_refusals(sale->second);
  check_records(sale->second);
  check_redis(sale->second);
  if (!violations_.empty()) return std::move(violations_);  // what follows reads what the others found whole
  check_holds(sale->second);
  check_limits(sale->second);
  return std::move(violations_);
}

}  // namespace

std::vector<std::string> judge(const Night& night, const test::MemoryRows& rows) { return Judge(night).run(rows); }

}  // namespace flashsale::simulation
