#include "faults/history/checker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

namespace flashsale::history {
namespace {

using Request = std::pair<std::string, std::string>;  // buyer, request

constexpr std::size_t kViolationsMax = 8;        // of one invariant
constexpr std::int64_t kReopensWithinMs = 1000;  // a sale that is resumed is not_started for its probe time

bool is_active(OrderState state) { return state == OrderState::reserved || state == OrderState::confirmed; }

char letter(OrderState state) {
  return state == OrderState::reserved    ? 'r'
         : state == OrderState::confirmed ? 'c'
         : state == OrderState::released  ? 'd'
                                          : 'e';
}

/// Everything that is known of one purchase.
struct Purchase {
  std::vector<const Op*> ops;  // by invocation
  const OrderRow* row = nullptr;
  bool has_lost_order = false;
};

class Checker {
 public:
  explicit Checker(const Night& night) : night_(night) {
    for (const Op& op : night.ops) by_time_.push_back(&op);
    std::sort(by_time_.begin(), by_time_.end(), [](const Op* a, const Op* b) { return a->from_ns < b->from_ns; });
    for (const Op* op : by_time_) purchases_[{op->buyer, op->request}].ops.push_back(op);
    for (const OrderRow& row : night.orders) {
      rows_[row.order.id] = &row;
      purchases_[{row.order.buyer, row.order.request}].row = &row;
    }
    for (const DeadRow& row : night.dead) dead_.insert(row.order.id);
  }

  Verdict run() {
    for (const std::string& complaint : night_.complaints) violate("{}", complaint);
    count();
    check_items();
    check_buyers();
    check_orders_told();
    for (auto& [request, purchase] : purchases_) {
      check_asked_for(request, purchase);
      check_one_story(request, purchase);
    }
    check_redis();
    check_order_of_time();
    check_sold_out();
    check_shut();
    return std::move(verdict_);
  }

 private:
  template <class... Args>
  void violate(fmt::format_string<Args...> text, Args&&... args) {
    std::string violation = fmt::format(text, std::forward<Args>(args)...);
    if (++violations_[violation.substr(0, violation.find(' '))] <= kViolationsMax)
      verdict_.violations.push_back(std::move(violation));
  }

  void count() {
    verdict_.calls = night_.ops.size();
    for (const Op& op : night_.ops) {
      if (op.end == Op::End::open) ++verdict_.left_open;
      if (op.end == Op::End::error) {
        ++verdict_.heard["error " + std::string(name(op.error))];
        verdict_.unknown += op.effect == Effect::unknown ? 1 : 0;
      }
      if (op.end == Op::End::answer) {
        ++verdict_.heard[std::string(name(op.outcome)) + (op.reason == PauseReason::fenced ? " (fenced)" : "")];
        verdict_.accepted += op.heard(Outcome::reserved) ? 1 : 0;
      }
    }
  }

  void check_items() {
    std::map<std::string, std::int64_t> active;
    for (const OrderRow& row : night_.orders) {
      if (is_active(row.state)) active[row.order.item] += row.order.quantity;
      if (!row.credited) violate("I13 {} is still on its way back", to_string(row.order.id));
    }
    for (const ItemRow& item : night_.row.items) {
      if (item.sold > item.total || active[item.item] > item.total)
        violate("I1 {}: {} of {} are sold", item.item, active[item.item], item.total);
      if (item.sold != active[item.item])
        violate("I1 {}: the database counts {} sold, its orders say {}", item.item, item.sold, active[item.item]);
    }
  }

  void check_buyers() {
    std::map<std::pair<std::string, std::string>, std::int64_t> held;
    std::map<std::string, std::uint32_t> orders;
    std::map<std::string, std::int64_t> limits;
    for (const ItemRow& item : night_.row.items) limits[item.item] = item.limit;
    for (const OrderRow& row : night_.orders) {
      if (is_active(row.state)) held[{row.order.buyer, row.order.item}] += row.order.quantity;
      ++orders[row.order.buyer];
    }
    for (const auto& [whose, units] : held)
      if (units > limits[whose.second])
        violate("I5 {} holds {} of {}, at most {}", whose.first, units, whose.second, limits[whose.second]);
    for (const auto& [buyer, count] : orders)
      if (count > night_.row.buyer_orders_max) violate("I5 {} has {} orders", buyer, count);
    for (const DeadRow& row : night_.dead)
      violate("I5 {} of {} was set aside: {}", to_string(row.order.id), row.order.buyer, row.reason);
  }

  /// I2, I4, I12: by what was told.
  void check_orders_told() {
    struct Told {
      const Op* op;  // the first that named it
      Level level;   // the best that it was told at
    };
    std::map<OrderId, Told> told;
    for (const Op* op : by_time_) {
      if (op->end != Op::End::answer) continue;
      if (op->says_yes() && !op->order) violate("I2 {} {} has units by no order", op->buyer, op->request);
      if (!op->order) continue;
      const auto [at, is_new] = told.emplace(op->order, Told{op, op->reached});
      at->second.level = std::max(at->second.level, op->reached);
      const Op& first = *at->second.op;
      if (first.buyer != op->buyer || first.request != op->request)
        violate("I4 {} was told to {} {} and to {} {}", to_string(op->order), first.buyer, first.request, op->buyer,
                op->request);
    }
    for (const auto& [order, what] : told) check_told(order, *what.op, what.level);
  }

  void check_told(OrderId order, const Op& op, Level level) {
    const auto at = rows_.find(order);
    if (at == rows_.end()) {
      if (dead_.count(order) > 0) return;
      purchases_[{op.buyer, op.request}].has_lost_order = true;
      const bool may_be_gone =
          level == Level::primary ? night_.forgot_primary : level == Level::replicas && night_.forgot_all;
      if (may_be_gone)
        ++verdict_.forgotten;
      else
        violate("I2 {} was told to {} {} at level {}, and is nowhere", to_string(order), op.buyer, op.request,
                name(level));
      return;
    }
    const Order& row = at->second->order;
    if (row.buyer != op.buyer || row.request != op.request)
      violate("I2 {} was told to {} {}, and is {}'s {}", to_string(order), op.buyer, op.request, row.buyer,
              row.request);
    else if (op.verb == Verb::reserve && (row.item != op.item || row.quantity != op.quantity))
      violate("I12 {} {} asked for {} {}, and has {} {}", op.buyer, op.request, op.quantity, op.item, row.quantity,
              row.item);
  }

  void check_asked_for(const Request& request, const Purchase& purchase) {
    if (purchase.row == nullptr) return;
    bool asked = false, may_have_won = false;
    for (const Op* op : purchase.ops) {
      if (op->verb != Verb::reserve) continue;
      asked = true;
      may_have_won |= !op->says_no();
    }
    if (!asked) violate("I3 {} {} has an order that nobody asked for", request.first, request.second);
    if (asked && !may_have_won)
      violate("I3 {} {} was told no each time, and has {}", request.first, request.second,
              to_string(purchase.row->order.id));
  }

  /// I4, I6: what a purchase was told, one answer after the other. Its calls were made by one thread.
  void check_one_story(const Request& request, const Purchase& purchase) {
    std::optional<OrderId> order;
    const Op* told_yes = nullptr;
    const bool is_lenient = purchase.has_lost_order || night_.had_zombie;
    for (const Op* op : purchase.ops) {
      if (op->end != Op::End::answer) continue;
      if (op->order) {
        if (order && *order != op->order && !is_lenient)
          violate("I4 {} {} heard of {} and of {}", request.first, request.second, to_string(*order),
                  to_string(op->order));
        order = op->order;
      }
      if (told_yes != nullptr && op->says_no() && !is_lenient)
        violate("I6 {} {} had {}, and was told {} of {}", request.first, request.second, to_string(told_yes->order),
                name(op->outcome), name(op->verb));
      if (op->says_yes()) told_yes = op;
      check_state(request, purchase, *op);
    }
  }

  /// An order resolves once: what it was told to be it stays, and is.
  void check_state(const Request& request, const Purchase& purchase, const Op& op) {
    std::optional<OrderState> state;
    if (op.outcome == Outcome::confirmed || op.outcome == Outcome::already_confirmed) state = OrderState::confirmed;
    if (op.outcome == Outcome::released || op.outcome == Outcome::already_released) state = OrderState::released;
    if (op.outcome == Outcome::expired && !night_.set_clock_back) state = OrderState::expired;
    if (!state) return;
    // What only Redis stood for, a fault may have made undone.
    const bool may_be_undone = night_.forgot_primary && op.reached == Level::primary;
    if (may_be_undone || purchase.has_lost_order || night_.had_zombie) return;
    if (purchase.row != nullptr && purchase.row->state != *state)
      violate("I6 {} {} was told {} at level {}, and is {}", request.first, request.second, name(op.outcome),
              name(op.reached), name(purchase.row->state));
  }

  void check_redis() {
    if (!night_.journal_defect.empty()) violate("I4 the journal: {}", night_.journal_defect);
    if (night_.redis_at != night_.row.watermark || night_.redis_watermark != night_.row.watermark)
      violate("I7 Redis is at {}, knows of {}, the database is at {}", to_string(night_.redis_at),
              to_string(night_.redis_watermark), to_string(night_.row.watermark));
    for (const ItemRow& item : night_.row.items) {
      const auto at = night_.redis_items.find(item.item);
      if (at == night_.redis_items.end())
        violate("I7 Redis has no {}", item.item);
      else if (at->second.total != item.total || at->second.booked != item.sold)
        violate("I7 {}: Redis has booked {} of {}, the database {} of {}", item.item, at->second.booked,
                at->second.total, item.sold, item.total);
    }
    for (const auto& [id, row] : rows_) {
      const auto at = night_.redis_orders.find(id);
      const bool is_same = at != night_.redis_orders.end() && at->second.buyer == row->order.buyer &&
                           at->second.request == row->order.request && at->second.state == letter(row->state);
      if (!is_same)
        violate("I7 {} is {} in the database, and {} in Redis", to_string(id), name(row->state),
                at == night_.redis_orders.end() ? std::string("nothing") : std::string(1, at->second.state));
    }
    for (const auto& [id, order] : night_.redis_orders)
      if (rows_.count(id) == 0 && dead_.count(id) == 0)
        violate("I7 Redis has {} of {}, the database has not", to_string(id), order.buyer);
  }

  /// Calls by their ends, of those that end.
  std::vector<const Op*> by_end() const {
    std::vector<const Op*> ends;
    for (const Op* op : by_time_)
      if (op->end != Op::End::open) ends.push_back(op);
    std::sort(ends.begin(), ends.end(), [](const Op* a, const Op* b) { return a->until_ns < b->until_ns; });
    return ends;
  }

  /// Told by what was forgotten since; whether that was allowed is I2's affair. Where a primary is alive when another
  /// is made one, as by SENTINEL FAILOVER, it sells on until it is told: such orders end here.
  bool is_lost(OrderId order) const { return rows_.count(order) == 0 && dead_.count(order) == 0; }

  void check_order_of_time() {
    if (night_.had_zombie) return;
    std::map<Request, OrderId> before;  // the latest order that was told before the request was first made
    OrderId latest;
    const std::vector<const Op*> ends = by_end();
    auto end = ends.begin();
    for (const Op* op : by_time_) {
      for (; end != ends.end() && (*end)->until_ns < op->from_ns; ++end)
        if ((*end)->heard(Outcome::reserved)) latest = std::max(latest, (*end)->order);
      if (op->verb == Verb::reserve) before.emplace(Request{op->buyer, op->request}, latest);
    }
    for (const Op* op : by_time_)
      if (op->heard(Outcome::reserved) && !is_lost(op->order) && op->order < before[{op->buyer, op->request}])
        violate("I9 {} was won after {} was told", to_string(op->order), to_string(before[{op->buyer, op->request}]));
  }

  /// Units that may be taken when a refusal ends: of everything asked for by then that may have won. Returns, which
  /// this leaves out, would only make them fewer.
  void check_sold_out() {
    std::map<std::string, std::int64_t> takers, total = night_.first_totals;
    std::set<Request> counted;
    auto asked = by_time_.begin();
    auto restocked = night_.restocked.begin();
    for (const Op* op : by_end()) {
      for (; asked != by_time_.end() && (*asked)->from_ns <= op->until_ns; ++asked) {
        const bool may_win = (*asked)->verb == Verb::reserve && !(*asked)->says_no();
        if (may_win && counted.insert({(*asked)->buyer, (*asked)->request}).second)
          takers[(*asked)->item] += (*asked)->quantity;
      }
      for (; restocked != night_.restocked.end() && restocked->at_ns < op->from_ns; ++restocked)
        total[restocked->item] += restocked->units;
      if (op->heard(Outcome::sold_out) && takers[op->item] + op->quantity <= total[op->item])
        violate("I10 {} was told that {} is sold out, while at most {} of {} were taken", op->buyer, op->item,
                takers[op->item], total[op->item]);
    }
  }

  void check_shut() {
    std::int64_t began_ns = kNever;
    for (const Op* op : by_time_)
      if (op->heard(Outcome::reserved)) began_ns = std::min(began_ns, op->until_ns);
    for (const auto& [request, purchase] : purchases_) {
      for (const Op* op : purchase.ops) {
        if (op->heard(Outcome::not_started) && op->from_ns > began_ns && op->retry_after_ms > kReopensWithinMs)
          violate("I11 {} was told not_started, for {} ms, after the sale had begun", op->buyer, op->retry_after_ms);
        if (!op->heard(Outcome::reserved) || is_lost(op->order) || night_.had_zombie) continue;
        for (const Shut& shut : night_.shut)
          if (purchase.ops.front()->from_ns > shut.from_ns && op->until_ns < shut.until_ns)
            violate("I11 {} was sold to {} while the sale was shut", to_string(op->order), op->buyer);
      }
    }
  }

  const Night& night_;
  std::vector<const Op*> by_time_;
  std::map<Request, Purchase> purchases_;
  std::map<OrderId, const OrderRow*> rows_;
  std::set<OrderId> dead_;
  std::map<std::string, std::size_t> violations_;  // by invariant
  Verdict verdict_;
};

}  // namespace

bool Verdict::has(const std::string& invariant) const {
  return std::any_of(violations.begin(), violations.end(),
                     [&](const std::string& violation) { return violation.rfind(invariant + " ", 0) == 0; });
}

Verdict check(const Night& night) { return Checker(night).run(); }

}  // namespace flashsale::history
