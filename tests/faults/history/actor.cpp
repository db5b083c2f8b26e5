// The processes of a night, each ended by SIGTERM or by whatever befalls it:
//   history_actor client URL NAME SEED LOG LEVELS PACE_MS THREADS LIE
//       buys, pays, gives back and asks again, at random, and writes down what it asked and heard. LEVELS: as
//       "primary,database". LIE, for the control runs: `level` claims that each order is in the database, `effect` that
//       no error ever had one; `-` is honest.
//   history_actor worker URL DATABASE SALE
#include <fmt/format.h>
#include <signal.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "faults/history/history.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/ask.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;

namespace {

std::atomic<bool> g_ended{false};
OrderWorker* g_worker = nullptr;

void on_sigterm(int /*signal*/) {
  g_ended = true;
  if (g_worker != nullptr) g_worker->stop();
}

constexpr int kTriesMax = 6;

struct ClientPlan {
  std::string name, lie;
  std::vector<Level> levels;
  int pace_ms = 0;
};

/// One thread of a client: its purchases are its own, its buyers everybody's.
class Shopper {
 public:
  Shopper(StockGate& gate, history::Writer& writer, const ClientPlan& plan, int number, std::uint64_t seed)
      : gate_(gate), writer_(writer), plan_(plan), number_(number), random_(seed) {}

  void run() {
    while (!g_ended) purchase();
  }

 private:
  std::size_t roll(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_); }
  bool chance(std::size_t percent) { return roll(100) < percent; }
  Level some_level() { return plan_.levels[roll(plan_.levels.size())]; }

  void pause() { std::this_thread::sleep_for(milliseconds(roll(2 * static_cast<std::size_t>(plan_.pace_ms) + 1))); }

  void purchase() {
    ++purchases_;
    buyer_ = fmt::format("b{}", purchases_ + roll(60));
    request_ = fmt::format("{}-{}-{}", plan_.name, number_, purchases_);
    item_ = chance(40) ? "shoe" : "hat";
    quantity_ = static_cast<std::uint32_t>(1 + roll(2));
    const bool is_won = insist(Verb::reserve, some_level());
    if (chance(10)) insist(Verb::reserve, some_level());
    if (chance(10)) ask(chance(50) ? Verb::resolve : Verb::status, Level::primary);
    if (!is_won) return;
    const std::size_t fate = roll(100);
    if (fate < 35) insist(Verb::confirm, some_level());
    if (fate >= 35 && fate < 65) insist(Verb::release, some_level());
    if (chance(10)) ask(Verb::resolve, Level::primary);
  }

  /// Asks until it knows, as a good client does. True if it then holds units.
  bool insist(Verb verb, Level level) {
    for (int tries = 0; tries < kTriesMax && !g_ended; ++tries) {
      const auto answer = ask(verb, level);
      const bool is_fenced = answer && answer->reason == PauseReason::fenced;
      if (answer && !is_fenced && answer->outcome != Outcome::pending) return answer->holds_stock();
      if (!answer && answer.error().effect == Effect::none && chance(50)) return false;
      pause();
    }
    return false;
  }

  Result<Answer> ask(Verb verb, Level level) {
    Call call;
    call.sale = SaleId{"spring"};
    call.buyer = BuyerId{buyer_};
    call.request = RequestId{request_};
    call.verb = verb;
    call.level = level;
    call.timeout = milliseconds(20 + roll(300));
    if (verb == Verb::reserve) {
      call.item = ItemId{item_};
      call.quantity = quantity_;
      call.payload = "for the door";
    }
    const std::uint64_t number = writer_.invoked(call);
    const Result<Answer> answer = bent(test::ask(gate_, call));
    writer_.heard(number, answer);
    pause();
    return answer;
  }

  Result<Answer> bent(Result<Answer> answer) const {
    if (plan_.lie == "level" && answer && answer->order) answer->level = Level::database;
    if (plan_.lie == "effect" && !answer) answer.error().effect = Effect::none;
    return answer;
  }

  StockGate& gate_;
  history::Writer& writer_;
  const ClientPlan& plan_;
  const int number_;
  std::mt19937_64 random_;
  std::uint64_t purchases_ = 0;
  // The purchase under way.
  std::string buyer_, request_, item_;
  std::uint32_t quantity_ = 1;
};

PoolOptions quick_to_come_back() {
  PoolOptions options;
  options.reconnect_max = milliseconds{50};
  return options;
}

int run_client(char** argv) {
  ClientPlan plan{argv[1], argv[7], {}, std::atoi(argv[5])};
  const std::uint64_t seed = std::strtoull(argv[2], nullptr, 10);
  for (const Level level : {Level::primary, Level::replicas, Level::database})
    if (std::string_view(argv[4]).find(name(level)) != std::string_view::npos) plan.levels.push_back(level);
  auto pool = make_pool(argv[0], quick_to_come_back());
  if (!pool || plan.levels.empty()) return 2;
  history::Writer writer(argv[3]);
  StockGate gate(*pool);
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[6]); ++i)
    threads.emplace_back([&, i] { Shopper(gate, writer, plan, i, seed + static_cast<std::uint64_t>(i) * 1000).run(); });
  for (std::thread& thread : threads) thread.join();
  return 0;
}

int run_worker(char** argv) {
  auto pool = make_pool(argv[0], quick_to_come_back());
  if (!pool) return 2;
  WorkerOptions options;
  options.watch_every = milliseconds{100};
  options.call_timeout = milliseconds{1000};
  OrderWorker worker(*pool, test::open_sink(argv[1]), options, {argv[2]});
  g_worker = &worker;
  if (g_ended) return 0;
  return worker.run() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = on_sigterm;
  sigaction(SIGTERM, &action, nullptr);
  if (argc == 10 && std::strcmp(argv[1], "client") == 0) return run_client(argv + 2);
  if (argc == 5 && std::strcmp(argv[1], "worker") == 0) return run_worker(argv + 2);
  return 2;
}
