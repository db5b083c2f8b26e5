#include "simulation/world.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/scripts.hpp"
#include "flashsale/metrics.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/sale_controller.hpp"
#include "simulation/faulty_sink.hpp"
#include "simulation/judge.hpp"
#include "simulation/network.hpp"
#include "simulation/simulated_gate.hpp"
#include "util/deadline.hpp"

namespace flashsale::simulation {
namespace {

constexpr milliseconds kActTimeout{400};

Faults draw_faults(util::Random& random, std::uint64_t seed, std::string_view only) {
  Faults faults;
  const std::pair<std::string_view, bool*> kinds[] = {
      {"wire", &faults.wire},       {"lag", &faults.lag},       {"zombie", &faults.zombie},
      {"restart", &faults.restart}, {"forget", &faults.forget}, {"refuse", &faults.refuse},
      {"clock", &faults.clock},     {"crash", &faults.crash},   {"database", &faults.database}};
  for (const auto& [name, is_on] : kinds) {
    *is_on = random.below(5) < 2;
    if (!only.empty()) *is_on = only.find(name) != std::string_view::npos;
  }
  // Drawn apart, so that each seed has what it had before there was this kind.
  faults.split = only.empty() ? util::Random(seed + 0x51).below(5) < 2 : only.find("split") != std::string_view::npos;
  return faults;
}

class World {
 public:
  World(std::uint64_t seed, const ScriptTexts& scripts, std::string_view only)
      : setup_(seed ^ 0x9e3779b97f4a7c15ULL), network_(seed, scripts, draw_faults(setup_, seed, only)) {
    util::simulated_world() = &network_;
    hold_ = setup_.below(2) == 0 ? milliseconds(0) : milliseconds(100 + setup_.below(900));
    buyers_ = 4 + setup_.below(12);
    for (std::size_t i = 0; i < 1 + setup_.below(2); ++i)
      items_.push_back({fmt::format("item-{}", i), static_cast<std::int64_t>(3 + setup_.below(12)),
                        static_cast<std::int64_t>(1 + setup_.below(3))});
    keep_receipts_ = setup_.below(3) > 0;
    for (std::size_t i = 0; i < 2; ++i) start_gate(i);
    network_.passed = [this] { tend_receipts(); };
  }
  ~World() {
    network_.passed = nullptr;
    for (auto& gate : gates_) gate.reset();
    util::simulated_world() = nullptr;
  }

  Verdict run(int steps);

 private:
  void create();
  void step();
  void ask_batch(std::size_t gate);
  Call draw_call();
  void start_gate(std::size_t at);
  void end_gate();
  void tend_receipts();
  void work(milliseconds time);
  void act();
  void interleave();
  std::shared_ptr<SimulatedPool> pool(bool crashes) { return std::make_shared<SimulatedPool>(network_, crashes); }

  void settle_down();
  void heal();
  void sell_out();
  void check();
  template <class... Args>
  void violate(fmt::format_string<Args...> text, Args&&... args) {
    verdict_.violations.push_back(fmt::format(text, std::forward<Args>(args)...));
  }

  util::Random setup_;
  Network network_;
  std::shared_ptr<test::MemorySink> rows_ = std::make_shared<test::MemorySink>();
  std::shared_ptr<OrderSink> sink_ = std::make_shared<FaultySink>(network_, rows_, /*crashes=*/true);
  std::shared_ptr<OrderSink> sink_of_gates_ = std::make_shared<FaultySink>(network_, rows_, /*crashes=*/false);
  milliseconds hold_{};
  std::vector<ItemTerms> items_;
  std::array<std::unique_ptr<engine::LaneUnderTest>, 2> gates_;
  bool keep_receipts_ = false;
  bool tending_ = false;
  bool unheard_restock_ = false;
  std::vector<bool> lasting_receipts_;  // by a gate's number
  const Metrics before_ = metrics();
  std::vector<Heard> history_;
  std::vector<std::string> spoken_;  // keeps the strings of calls alive
  std::uint64_t buyers_ = 6;
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
  sale.replicas = 2;
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
  call.level = network_.below(4) == 0 ? Level::replicas : Level::primary;
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
                     gates_[gate]->number, std::nullopt});
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
    if (answer && answer->level == Level::replicas) ++verdict_.seen["told by all replicas"];
    if (!answer && answer.error().effect == Effect::unknown) doubtful_ = asked[i].key();
    history_.push_back(std::move(asked[i]));
  }
}

void World::start_gate(std::size_t at) {
  const auto sink = keep_receipts_ ? sink_of_gates_ : nullptr;
  gates_[at] = std::make_unique<engine::LaneUnderTest>(network_, std::make_shared<SimulatedPool>(network_, false), sink,
                                                       lasting_receipts_.size());
  lasting_receipts_.push_back(keep_receipts_);
}

/// The next one has heard of nothing. This one is killed, so that what it told is known to nobody; or closed, and then
/// it leaves that in the database.
void World::end_gate() {
  const std::size_t at = network_.below(2);
  const bool is_killed = network_.faults().crash && network_.below(2) == 0;
  ++verdict_.seen[is_killed ? "gate killed" : "gate closed"];
  if (is_killed) gates_[at]->be_killed();
  if (is_killed || network_.faults().database) lasting_receipts_[gates_[at]->number] = false;
  start_gate(at);
}

/// The gates' receipts are looked after by a thread of their own: whenever time passes, whoever lets it pass.
void World::tend_receipts() {
  if (std::exchange(tending_, true)) return;
  for (auto& gate : gates_)
    if (gate) gate->tend_receipts();
  tending_ = false;
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
    default: {
      const std::int64_t units = number % 3 == 0 ? -2 : 1;
      const bool heard =
          controller.restock(SaleId{kSale}, ItemId{item.item}, units, OperationId{operation}).has_value();
      unheard_restock_ |= !heard && units > 0;
    }
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
    case 8:
      return network_.below(2) == 0 ? end_gate() : ask_batch(0);
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
      history_.push_back({Verb::reserve, buyer, request, item.item, 1, answers[0], 0, util::steady_ms(),
                          gates_[0]->number, std::nullopt});
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

void World::check() {
  const Metrics now = metrics();
  const std::uint64_t lost = now.receipts_lost - before_.receipts_lost;
  const std::uint64_t dropped = now.receipts_dropped - before_.receipts_dropped;
  verdict_.seen["receipts saved"] += static_cast<int>(now.receipts_saved - before_.receipts_saved);
  verdict_.seen["receipts lost"] += static_cast<int>(lost);
  verdict_.seen["receipts dropped"] += static_cast<int>(dropped);
  for (std::string& violation :
       judge({network_, history_, items_, hold_, lasting_receipts_, unheard_restock_, lost + dropped}, rows_->rows()))
    verdict_.violations.push_back(std::move(violation));
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
