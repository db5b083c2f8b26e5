#include "simulation/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <sstream>

#include "core/scripts.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/sale_controller.hpp"
#include "simulation/faulty_sink.hpp"
#include "simulation/network.hpp"
#include "simulation/simulated_gate.hpp"
#include "util/deadline.hpp"

namespace flashsale::simulation {
namespace {

constexpr const char* kSale = "spring";
constexpr milliseconds kActTimeout{400};
constexpr std::uint32_t kBuyerOrders = 3;  // one less than the requests that a buyer may make

struct ItemTerms {
  std::string item;
  std::int64_t units, limit;
};

/// What was asked and what was heard.
struct Heard {
  Verb verb;
  std::string buyer, request, item;
  std::uint32_t quantity;
  Result<Answer> answer;
  std::int64_t from_ms, until_ms;
  std::size_t gate = 0;
  std::optional<OrderId> written;  // what the database had for it before it was asked

  std::pair<std::string, std::string> key() const { return {buyer, request}; }
  bool is(Outcome outcome) const { return answer && answer->outcome == outcome; }
};

Faults draw_faults(util::Random& random, std::string_view only) {
  Faults faults;
  const std::pair<std::string_view, bool*> kinds[] = {
      {"wire", &faults.wire},       {"lag", &faults.lag},       {"zombie", &faults.zombie},
      {"restart", &faults.restart}, {"forget", &faults.forget}, {"refuse", &faults.refuse},
      {"clock", &faults.clock},     {"crash", &faults.crash},   {"database", &faults.database}};
  for (const auto& [name, is_on] : kinds) {
    *is_on = random.below(5) < 2;
    if (!only.empty()) *is_on = only.find(name) != std::string_view::npos;
  }
  return faults;
}

class World {
 public:
  World(std::uint64_t seed, const ScriptTexts& scripts, std::string_view only)
      : setup_(seed ^ 0x9e3779b97f4a7c15ULL), network_(seed, scripts, draw_faults(setup_, only)) {
    util::simulated_world() = &network_;
    hold_ = setup_.below(2) == 0 ? milliseconds(0) : milliseconds(100 + setup_.below(900));
    buyers_ = 4 + setup_.below(12);
    for (std::size_t i = 0; i < 1 + setup_.below(2); ++i)
      items_.push_back({fmt::format("item-{}", i), static_cast<std::int64_t>(3 + setup_.below(12)),
                        static_cast<std::int64_t>(1 + setup_.below(3))});
    for (int i = 0; i < 2; ++i)
      gates_.push_back(
          std::make_unique<engine::LaneUnderTest>(network_, std::make_shared<SimulatedPool>(network_, false)));
  }
  ~World() { util::simulated_world() = nullptr; }

  Verdict run(int steps);

 private:
  void create();
  void step();
  void ask_batch(std::size_t gate);
  Call draw_call();
  void work(milliseconds time);
  void act();
  void interleave();
  std::shared_ptr<SimulatedPool> pool(bool crashes) { return std::make_shared<SimulatedPool>(network_, crashes); }

  void settle_down();
  void heal();
  void sell_out();
  void check();
  void check_items(const test::MemorySale& rows);
  void check_buyers(const test::MemorySale& rows);
  void check_answers(const test::MemorySale& rows);
  void check_written(const Heard& heard);
  void check_order(const Heard& heard, const test::MemorySale& rows);
  void check_refusals(const test::MemorySale& rows);
  void check_last_words(const test::MemorySale& rows);
  void check_final(std::size_t at, const test::MemorySale& rows);
  void check_records(const test::MemorySale& rows);
  void check_redis(const test::MemorySale& rows);
  void check_holds(const test::MemorySale& rows);
  void check_limits(const test::MemorySale& rows);
  template <class... Args>
  void violate(fmt::format_string<Args...> text, Args&&... args) {
    verdict_.violations.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  util::Random setup_;
  Network network_;
  std::shared_ptr<test::MemorySink> rows_ = std::make_shared<test::MemorySink>();
  std::shared_ptr<OrderSink> sink_ = std::make_shared<FaultySink>(network_, rows_);
  milliseconds hold_{};
  std::vector<ItemTerms> items_;
  std::vector<std::unique_ptr<engine::LaneUnderTest>> gates_;
  std::vector<Heard> history_;
  std::vector<std::string> spoken_;  // keeps the strings of calls alive
  std::uint64_t buyers_ = 6;
  int restocks_ = 0;
  bool nested_ = false;
  std::optional<std::pair<std::string, std::string>> doubtful_;  // somebody does not know what became of it
  Verdict verdict_;
};

void World::create() {
  network_.between = nullptr;
  SaleController controller(pool(false), rows_, {milliseconds(5000)});
  Sale sale{SaleId{kSale}};
  for (const ItemTerms& item : items_) sale.item(ItemId{item.item}, item.units, item.limit);
  sale.hold = hold_;
  sale.buyer_orders_max = kBuyerOrders;
  // A healthy beginning: faults come with the first step.
  for (int tries = 0; tries < 50; ++tries)
    if (controller.create(sale) && controller.open(SaleId{kSale})) return;
  violate("the sale could not be created");
}

Call World::draw_call() {
  static constexpr Verb kVerbs[] = {Verb::reserve, Verb::reserve, Verb::reserve, Verb::reserve,
                                    Verb::resolve, Verb::confirm, Verb::release, Verb::status};
  const ItemTerms& item = items_[network_.below(items_.size())];
  spoken_.push_back(fmt::format("buyer-{}", network_.below(buyers_)));
  const std::string& buyer = spoken_.back();
  spoken_.push_back(fmt::format("request-{}", network_.below(4)));
  Call call;
  call.sale = SaleId{kSale};
  call.item = ItemId{item.item};
  call.buyer = BuyerId{buyer};
  call.request = RequestId{spoken_.back()};
  call.quantity = 1 + static_cast<std::uint32_t>(network_.below(2));
  call.verb = kVerbs[network_.below(8)];
  call.level = Level::primary;
  call.timeout = milliseconds(20 + network_.below(200));
  if (doubtful_ && network_.below(2) == 0) {
    spoken_.push_back(doubtful_->first);
    call.buyer = BuyerId{spoken_.back()};
    spoken_.push_back(doubtful_->second);
    call.request = RequestId{spoken_.back()};
    call.verb = Verb::resolve;
    doubtful_.reset();
  }
  return call;
}

void World::ask_batch(std::size_t gate) {
  spoken_.clear();
  spoken_.reserve(32);
  std::vector<Call> calls;
  const std::size_t count = 1 + network_.below(4);
  for (std::size_t i = 0; i < count; ++i) calls.push_back(draw_call());
  std::vector<Heard> asked;
  const test::MemoryRows rows = rows_->rows();
  const test::MemorySale& written = rows.find(std::string_view(kSale))->second;
  for (const Call& call : calls) {
    asked.push_back({call.verb, std::string(call.buyer.text()), std::string(call.request.text()),
                     std::string(call.item.text()), call.quantity, fail(ErrorCode::internal, ""), util::steady_ms(), 0,
                     gate, std::nullopt});
    const auto row = written.by_request.find(asked.back().key());
    if (row != written.by_request.end()) asked.back().written = row->second;
  }
  std::vector<Result<Answer>> answers = gates_[gate]->ask(calls);
  for (std::size_t i = 0; i < count; ++i) {
    asked[i].answer = std::move(answers[i]);
    asked[i].until_ms = util::steady_ms();
    const auto& answer = asked[i].answer;
    ++verdict_.seen[answer ? std::string(name(answer->outcome)) : "error " + std::string(name(answer.error().code))];
    if (answer && answer->reason == PauseReason::fenced) ++verdict_.seen["fenced"];
    if (!answer && answer.error().effect == Effect::unknown) doubtful_ = asked[i].key();
    history_.push_back(std::move(asked[i]));
  }
}

// Inside a worker's or controller's round trip somebody else may get in between.
void World::interleave() {
  if (nested_ || network_.is_healed() || !network_.chance(250)) return;
  nested_ = true;
  network_.chance(200) ? network_.disturb() : ask_batch(1);
  nested_ = false;
}

void World::work(milliseconds time) {
  WorkerOptions options;
  options.call_timeout = milliseconds(300);
  options.watch_every = milliseconds(50);
  OrderWorker worker(pool(true), sink_, options, {kSale});
  const Deadline until = network_.now() + time;
  network_.between = [&] {
    interleave();
    if (network_.now() >= until) worker.stop();
  };
  auto done = worker.run();
  network_.between = nullptr;
  verdict_.seen["reconciled"] += static_cast<int>(worker.report().reconciles);
  if (!done && done.error().code == ErrorCode::conflict) violate("a worker gave the sale up: {}", done.error().detail);
}

void World::act() {
  SaleController controller(pool(true), sink_, {kActTimeout});
  network_.between = [&] { interleave(); };
  // One operation id is one act, asked for again and again.
  const std::uint64_t number = network_.below(6);
  const std::string operation = fmt::format("restock-{}", number);
  const ItemTerms& item = items_[number % items_.size()];
  switch (network_.below(5)) {
    case 0:
      static_cast<void>(controller.pause(SaleId{kSale}));
      break;
    case 1:
    case 2:
      static_cast<void>(controller.resume(SaleId{kSale}));
      break;
    default:
      static_cast<void>(
          controller.restock(SaleId{kSale}, ItemId{item.item}, number % 3 == 0 ? -2 : 1, OperationId{operation}));
  }
  network_.between = nullptr;
}

void World::step() {
  switch (network_.below(16)) {
    case 0:
    case 1:
    case 6:
      return network_.disturb();
    case 2:
    case 7:
      return act();
    case 3:
    case 4:
      return work(milliseconds(5 + network_.below(150)));
    case 5:
      return network_.pass(milliseconds(network_.below(400)));
    default:
      return ask_batch(0);
  }
}

/// Every hold has run out, everything is written, and what came back is for sale again.
void World::settle_down() {
  WorkerOptions options;
  options.watch_every = options.idle = milliseconds(200);
  OrderWorker worker(pool(false), sink_, options, {kSale});
  const Deadline until = network_.now() + hold_ + milliseconds(6000);
  network_.between = [&] {
    if (network_.now() >= until) worker.stop();
  };
  auto served = worker.run();
  network_.between = nullptr;
  if (!served) violate("the worker gave up: {}", to_string(served.error()));
  verdict_.seen["reconciled"] += static_cast<int>(worker.report().reconciles);
  auto drained = OrderWorker(pool(false), sink_, {}, {kSale}).drain(network_.now() + std::chrono::seconds(60));
  if (!drained) violate("the worker did not drain: {}", to_string(drained.error()));
}

/// Everything that heals by itself has healed: the worker has carried everything into the database and back.
void World::heal() {
  network_.heal();
  SaleController controller(pool(false), rows_, {milliseconds(10'000)});
  settle_down();
  network_.pass(milliseconds(5000));  // a clock that was set back has come up to what was promised before
  if (auto resumed = controller.resume(SaleId{kSale}); !resumed) violate("resume: {}", to_string(resumed.error()));
}

/// Sells what is left, one by one: exactly the rest must be there.
void World::sell_out() {
  for (const ItemTerms& item : items_)
    for (int i = 0; i < 80; ++i) {
      const std::string buyer = fmt::format("late-{}-{}", item.item, i), request = "r";
      Call call;
      call.sale = SaleId{kSale};
      call.item = ItemId{item.item};
      call.buyer = BuyerId{buyer};
      call.request = RequestId{request};
      call.level = Level::primary;
      call.timeout = milliseconds(2000);
      auto answers = gates_[0]->ask({call});
      history_.push_back(
          {Verb::reserve, buyer, request, item.item, 1, answers[0], 0, util::steady_ms(), 0, std::nullopt});
      if (answers[0] && answers[0]->outcome == Outcome::sold_out) break;
      if (!answers[0] || answers[0]->outcome != Outcome::reserved) {
        violate("after everything healed a buyer heard {}",
                answers[0] ? fmt::format("{} {}", name(answers[0]->outcome), name(answers[0]->reason))
                           : to_string(answers[0].error()));
        break;
      }
    }
  settle_down();
}

void World::check_items(const test::MemorySale& rows) {
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

void World::check_buyers(const test::MemorySale& rows) {
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
void World::check_answers(const test::MemorySale& rows) {
  std::map<OrderId, std::pair<std::string, std::string>> owner;
  std::map<OrderId, std::int64_t> hold_until;
  std::map<std::pair<std::string, std::string>, std::set<OrderId>> orders_of;
  for (const Heard& heard : history_) {
    // An old primary that does not know it yet has no way to know better (docs/guarantees.md).
    if (heard.written && !network_.faults().zombie) check_written(heard);
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
void World::check_written(const Heard& heard) {
  if (!heard.answer || heard.is(Outcome::paused)) return;
  if (heard.answer->order && heard.answer->order != *heard.written)
    violate("{} {} has {}, and heard of {}", heard.buyer, heard.request, to_string(*heard.written),
            to_string(heard.answer->order));
  if (!heard.answer->order)
    violate("{} {} has {}, and heard {}", heard.buyer, heard.request, to_string(*heard.written),
            name(heard.answer->outcome));
}

void World::check_order(const Heard& heard, const test::MemorySale& rows) {
  const OrderId id = heard.answer->order;
  const auto at = rows.orders.find(id);
  if (at == rows.orders.end()) {
    if (!network_.may_have_lost)
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
  if (network_.may_have_lost) return;
  if ((heard.is(Outcome::confirmed) || heard.is(Outcome::already_confirmed)) && row.state != OrderState::confirmed)
    violate("{} was confirmed and is {}", to_string(id), name(row.state));
  if ((heard.is(Outcome::released) || heard.is(Outcome::already_released)) && row.state != OrderState::released)
    violate("{} was released and is {}", to_string(id), name(row.state));
  // Time that is set back gives a hold its time again: a look at the clock is not written down.
  if (heard.is(Outcome::expired) && !network_.faults().clock && row.state != OrderState::expired &&
      row.state != OrderState::reserved)
    violate("{} had expired and is {}", to_string(id), name(row.state));
}

/// A no is a no: whoever heard nothing else has no order, and `not_reserved` of the gate that asked is final.
void World::check_refusals(const test::MemorySale& rows) {
  std::set<std::pair<std::string, std::string>> may_have_won;
  for (const Heard& heard : history_) {
    const bool says_no =
        heard.answer ? !heard.answer->order
                     : heard.answer.error().effect == Effect::none && heard.answer.error().code != ErrorCode::conflict;
    if (heard.verb == Verb::reserve && !says_no) may_have_won.insert(heard.key());
  }
  for (const auto& [id, row] : rows.orders)
    if (may_have_won.count({row.order.buyer, row.order.request}) == 0)
      violate("{} was sold to {} {}, who was told no each time", to_string(id), row.order.buyer, row.order.request);
  if (network_.faults().clock) return;  // a node's clock that is set back lets a stalled copy live longer
  check_last_words(rows);
  for (std::size_t i = 0; i < history_.size(); ++i)
    if (history_[i].verb == Verb::resolve && history_[i].is(Outcome::not_reserved)) check_final(i, rows);
}

/// `not_reserved` is final for all that its gate has sent: what is won afterwards is won by a call made afterwards.
void World::check_final(std::size_t at, const test::MemorySale& rows) {
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
void World::check_redis(const test::MemorySale& rows) {
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
void World::check_last_words(const test::MemorySale& rows) {
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
void World::check_records(const test::MemorySale& rows) {
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
void World::check_holds(const test::MemorySale& rows) {
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
void World::check_limits(const test::MemorySale& rows) {
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

void World::check() {
  const test::MemoryRows all = rows_->rows();
  const auto sale = all.find(std::string_view(kSale));
  if (sale == all.end()) return violate("the database has no sale");
  if (network_.seen.count("won after its deadline") > 0) violate("a batch won after its callers' deadline");
  check_items(sale->second);
  check_buyers(sale->second);
  check_answers(sale->second);
  check_refusals(sale->second);
  check_records(sale->second);
  check_redis(sale->second);
  if (!verdict_.violations.empty()) return;  // what follows reads what the others found whole
  check_holds(sale->second);
  check_limits(sale->second);
}

Verdict World::run(int steps) {
  create();
  for (int i = 0; i < steps && verdict_.violations.empty(); ++i) step();
  if (verdict_.violations.empty()) heal();
  if (verdict_.violations.empty()) sell_out();
  check();
  for (const auto& [what, count] : network_.seen) verdict_.seen[what] += count;
  return std::move(verdict_);
}

}  // namespace

const ScriptTexts& real_scripts() {
  static const ScriptTexts texts = [] {
    ScriptTexts made;
    for (const core::Script& script : core::embedded_scripts()) made.emplace(script.sha1, script.text);
    return made;
  }();
  return texts;
}

Verdict run_world(std::uint64_t seed, int steps, const ScriptTexts& scripts, std::string_view only) {
  return World(seed, scripts, only).run(steps);
}

}  // namespace flashsale::simulation
