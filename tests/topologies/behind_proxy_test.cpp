// One address whose proxy sends plain reads to replicas, one of them late: what a whole sale is behind it. What a
// reader of the past concludes is wrong here at once: that orders are missing, that the journal has a gap, that a sale
// is lost.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "core/keyspace.hpp"
#include "flashsale/flashsale.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"
#include "support/topologies.hpp"
#include "topologies/shop.hpp"

namespace flashsale::test {
namespace {

const SaleId kSale{"spring"};
const ItemId kShoe{"shoe"}, kHat{"hat"};
constexpr milliseconds kHold{3000};
const CallOptions kPatient{milliseconds{20'000}, Level::primary};

/// What the library says while this lives: alarms, and whatever speaks of a gap.
class LogWatch {
 public:
  LogWatch() {
    set_log([this](LogLevel level, std::string_view line) {
      if (level != LogLevel::alarm && line.find("gap") == std::string_view::npos) return;
      const std::lock_guard<std::mutex> lock(mutex_);
      lines_.insert(std::string(line));
    });
  }
  ~LogWatch() { set_log({}); }
  void check_quiet() {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const std::string& line : lines_) CHECK_MESSAGE(false, line);
  }

 private:
  std::mutex mutex_;
  std::set<std::string> lines_;  // guarded by mutex_
};

/// A sale with holds, all of whose acts and reads go through the proxy. It remembers what each order's buyer heard
/// last.
class ProxiedSale {
 public:
  ProxiedSale(milliseconds late, ProxyHabits habits) : setup(late, habits), dir_(fresh_dir()) {
    sink = open_sink(dir_ + "/orders.db");
    pool = make_pool(setup.url()).value();
    controller = std::make_unique<SaleController>(pool, sink, ControllerOptions{milliseconds{20'000}, {}});
    gate = std::make_unique<StockGate>(pool);
  }
  ~ProxiedSale() {
    gate.reset();
    controller.reset();
    sink.reset();
    std::error_code ignored;
    std::filesystem::remove_all(dir_, ignored);
  }

  void begin() {
    Sale sale{kSale};
    sale.item(kShoe, 100, 2).item(kHat, 1000, 2);
    sale.hold = kHold;
    sale.probe = milliseconds{20};
    must(controller->create(sale));
    must(controller->create(sale));  // a repeated one, as after a lost answer
    must(controller->preload(kSale, kShoe, "a shoe"));
    must(controller->open(kSale));
  }

  /// So many buyers, on four threads, one unit each; every third confirms, every third gives it back.
  void sell(const std::string& crowd, int buyers, ItemId item) {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (int i = t; i < buyers; i += 4) buy(fmt::format("{}-{}", crowd, i), i % 3, item);
      });
    for (auto& thread : threads) thread.join();
  }

  Result<Answer> reserve(const std::string& buyer, ItemId item) {
    Call call{kSale, item, BuyerId{buyer}, RequestId{"click"}};
    call.timeout = kPatient.timeout;
    call.level = Level::primary;
    return gate->reserve(call);
  }

  /// Everything that was heard is in the database, as it was heard.
  void check_rows() {
    auto reading = sink->begin(OrderSink::Access::read, soon());
    REQUIRE(reading);
    std::map<std::string, const OrderRow*> rows;
    const auto stored = (*reading)->orders_by_buyer(kSale, "", 1'000'000).value();
    for (const OrderRow& row : stored) rows[row.order.buyer] = &row;
    int missing = 0, different = 0;
    for (const auto& [buyer, heard] : heard_) {
      const auto row = rows.find(buyer);
      missing += row == rows.end() ? 1 : 0;
      different += row != rows.end() && row->second->state != heard ? 1 : 0;
    }
    CHECK_MESSAGE(missing == 0, missing, " of ", heard_.size(), " orders were told and are not in the database");
    CHECK_MESSAGE(different == 0, different, " orders are in another state than was told");
    CHECK(rows.size() == heard_.size());
  }

  /// What has been read plainly so far may be of the past: the winners' filter, which says up to where it goes, and
  /// what is asked to find out who answers.
  void check_plain_reads() {
    const core::Keys keys(kSale.text());
    const std::set<std::string> harmless{"GET " + keys.winners, "GETRANGE " + keys.winners, "HGET " + keys.info,
                                         "INFO server"};
    for (const auto& [command, times] : setup.proxy->reads())
      CHECK_MESSAGE(harmless.count(command) == 1, command, " was read plainly, ", times, " times");
  }

  /// By the primary itself, past the proxy.
  std::string meta(std::string_view field) {
    return setup.primary().command({"HGET", core::Keys(kSale.text()).meta, field}).text;
  }
  /// Nothing is held any more, and the database has everything.
  void await_rest() {
    const core::Keys keys(kSale.text());
    const auto rests = [&] {
      const bool holds = setup.primary().command({"ZCOUNT", keys.holds, "-inf", "(inf"}).integer > 0;
      return !holds && meta("epoch") + "-" + meta("seq") == meta("watermark");
    };
    CHECK_MESSAGE(eventually(rests, milliseconds{60'000}), "it does not come to rest");
    for (auto& [buyer, heard] : heard_)
      if (heard == OrderState::reserved) heard = OrderState::expired;
  }
  template <class T>
  static void must(const Result<T>& result) {
    REQUIRE_MESSAGE(result.has_value(), (result ? "" : to_string(result.error())));
  }

  EndpointSetup setup;
  std::shared_ptr<OrderSink> sink;
  std::shared_ptr<ConnectionPool> pool;
  std::unique_ptr<SaleController> controller;
  std::unique_ptr<StockGate> gate;

 private:
  static std::string fresh_dir() {
    std::string path = (std::filesystem::temp_directory_path() / "flashsale-endpoint-XXXXXX").string();
    if (mkdtemp(path.data()) == nullptr) throw std::runtime_error("no temporary folder");
    return path;
  }

  void buy(const std::string& buyer, int fate, ItemId item) {
    const auto won = reserve(buyer, item);
    if (!won || won->outcome != Outcome::reserved) {
      FAIL_CHECK(buyer << " heard " << (won ? std::string(name(won->outcome)) : to_string(won.error())));
      return;
    }
    if (fate == 2) return note(buyer, OrderState::reserved);
    OrderState state = OrderState::reserved;
    const OrderKey order{kSale, BuyerId{buyer}, RequestId{"click"}};
    const auto moved = fate == 1 ? gate->confirm(order, kPatient) : gate->release(order, kPatient);
    // A machine that stood still for as long as a hold may hear that it has ended.
    if (moved && moved->outcome == Outcome::confirmed) state = OrderState::confirmed;
    if (moved && moved->outcome == Outcome::released) state = OrderState::released;
    if (state == OrderState::reserved && (!moved || moved->outcome != Outcome::expired))
      FAIL_CHECK(buyer << " heard of its order "
                       << (moved ? std::string(name(moved->outcome)) : to_string(moved.error())));
    note(buyer, state);
  }

  void note(const std::string& buyer, OrderState state) {
    const std::lock_guard<std::mutex> lock(mutex_);
    heard_[buyer] = state;
  }

  std::mutex mutex_;
  std::map<std::string, OrderState> heard_;  // by buyer; guarded by mutex_
  const std::string dir_;
};

void pause_and_resume(ProxiedSale& sale) {
  sale.must(sale.controller->pause(kSale));
  const auto refused = sale.reserve("too-early", kHat);
  REQUIRE(refused);
  CHECK(refused->outcome == Outcome::paused);
  CHECK(refused->reason == PauseReason::operator_paused);
  sale.must(sale.controller->resume(kSale));
}

/// What pages show: by replicas, and so of the past, but not for ever.
void check_what_may_be_stale(ProxiedSale& sale) {
  CHECK(eventually([&] {
    const auto status = sale.controller->status(kSale);
    return status && status->state == SaleState::closed && status->waiting == 0 && !status->fenced;
  }));
  CHECK(eventually([&] {
    const auto info = sale.controller->info(kSale);
    return info && info->size() == 1 && info->at(0).second == "a shoe";
  }));
}

void end(ProxiedSale& sale) {
  sale.must(sale.controller->drain(kSale));
  sale.must(sale.controller->close(kSale));
  sale.await_rest();
  const auto audit = sale.controller->audit(kSale, false, soon());
  sale.must(audit);
  CHECK(audit->is_sound());
  sale.check_rows();
  sale.check_plain_reads();
  check_what_may_be_stale(sale);
  sale.must(sale.controller->retire(kSale));
  CHECK(sale.setup.primary().command({"EXISTS", core::Keys(kSale.text()).meta}).integer == 0);
}

void live_a_whole_life(milliseconds late, ProxyHabits habits) {
  CAPTURE(late.count());
  CAPTURE(habits.at_random);
  LogWatch log;
  const std::uint64_t reconciles = metrics().reconciles;
  ProxiedSale sale(late, habits);
  sale.begin();
  sale.sell("early", 60, kHat);  // nobody carries these into the database yet
  {
    RunningWorker worker(sale.pool, sale.sink, {}, {std::string(kSale.text())});
    sale.sell("first", 90, kShoe);
    sale.must(sale.controller->restock(kSale, kShoe, 60, OperationId{"more"}));
    sale.must(sale.controller->restock(kSale, kShoe, 60, OperationId{"more"}));
    pause_and_resume(sale);
    sale.sell("second", 60, kShoe);
    sale.sell("late", 120, kHat);
    end(sale);
    sale.must(worker.stop());
  }
  CHECK(metrics().reconciles == reconciles);
  log.check_quiet();
}

TEST_CASE("behind a splitting proxy whose replicas are read at random nothing is lost, and nothing taken for lost") {
  for (const int late : {0, 80, 200}) {
    ProxyHabits habits;
    habits.seed = static_cast<std::uint64_t>(late + 1);
    live_a_whole_life(milliseconds{late}, habits);
  }
}

TEST_CASE("behind a splitting proxy whose replicas are read in turn nothing is lost, and nothing taken for lost") {
  for (const int late : {0, 80, 200}) {
    ProxyHabits habits;
    habits.at_random = false;
    live_a_whole_life(milliseconds{late}, habits);
  }
}

TEST_CASE("a proxy whose replicas tell the time, the role and the history as well harms no sale") {
  ProxyHabits habits;
  habits.anyone_tells_state = true;
  live_a_whole_life(milliseconds{80}, habits);
}

TEST_CASE("a proxy that reads the primary too, and keeps scripts from its replicas, harms no sale") {
  ProxyHabits habits;
  habits.primary_reads_too = true;
  habits.scripts_everywhere = false;
  live_a_whole_life(milliseconds{80}, habits);
}

TEST_CASE("a sale behind a splitting proxy is rebuilt after a flush, and loses nothing that the database has") {
  EndpointSetup setup(milliseconds{80});
  Shop shop(setup.url(), "spring", {Level::database});
  shop.sell_on();
  shop.outlive_small_faults(setup.primary());
  setup.primary().command({"FLUSHALL"});
  shop.sell_on();
  shop.finish();
}

TEST_CASE("a sale behind a splitting proxy outlives a failover that the proxy follows, at both levels") {
  EndpointSetup setup(milliseconds{20});  // a WAIT has 50 ms
  Shop shop(setup.url(), "spring", {Level::database, Level::replicas}, 2);
  shop.sell_on();
  setup.fail_over();
  shop.sell_on();
  setup.fail_over();
  shop.sell_on();
  shop.finish();
}

TEST_CASE("level replicas waits for every replica of the primary, whomever a proxy lets tell how many there are") {
  ProxyHabits habits;
  habits.anyone_tells_state = true;
  EndpointSetup setup(milliseconds{0}, habits);
  const auto pool = make_pool(setup.url()).value();
  SaleController controller(pool);
  Sale sale{kSale};
  sale.item(kShoe, 100, 2).queue = QueueMode::list;
  sale.replicas = 1;  // and there are two
  REQUIRE(controller.create(sale));
  REQUIRE(controller.open(kSale));
  StockGate gate(pool);
  const auto reserve = [&](const std::string& buyer, milliseconds timeout) {
    Call call{kSale, kShoe, BuyerId{buyer}, RequestId{"click"}};
    call.level = Level::replicas;
    call.timeout = timeout;
    return gate.reserve(call);
  };
  const auto whole = reserve("ann", kPatient.timeout);
  REQUIRE(whole);
  CHECK(whole->level == Level::replicas);
  setup.late_link->stall();
  for (int i = 0; i < 5; ++i) {
    const auto answer = reserve(fmt::format("b{}", i), milliseconds{1000});
    REQUIRE(answer);
    CHECK(answer->outcome == Outcome::pending);
    CHECK(answer->level == Level::primary);
  }
}

TEST_CASE("a list behind a splitting proxy hands every order over, those of a dead consumer too") {
  EndpointSetup setup(milliseconds{80});
  const auto pool = make_pool(setup.url()).value();
  SaleController controller(pool);
  Sale sale{kSale};
  sale.item(kShoe, 100, 2).queue = QueueMode::list;
  REQUIRE(controller.create(sale));
  REQUIRE(controller.open(kSale));
  std::set<std::string> won, taken;
  {
    StockGate gate(pool);
    for (int i = 0; i < 40; ++i) {
      const std::string buyer = fmt::format("b{}", i);
      Call call{kSale, kShoe, BuyerId{buyer}, RequestId{"click"}};
      call.timeout = kPatient.timeout;
      const auto answer = gate.reserve(call);
      REQUIRE(answer);
      won.insert(to_string(answer->order));
    }
  }
  OrderQueue queue(pool);
  const BuyerId dead{"dead"}, alive{"alive"};
  for (int i = 0; i < 5; ++i) REQUIRE(queue.take(kSale, dead, milliseconds{0}, soon()).value());
  std::size_t returned = 0;
  CHECK(eventually([&] { return (returned += queue.return_dead(kSale, milliseconds{1}, soon()).value()) >= 5; }));
  CHECK(returned == 5);
  for (int i = 0; i < 40; ++i) {
    const auto order = queue.take(kSale, alive, milliseconds{0}, soon());
    REQUIRE(order);
    REQUIRE(*order);
    taken.insert(to_string((*order)->order.id));
    REQUIRE(queue.ack(kSale, alive, **order, soon()));
  }
  CHECK(taken == won);
  CHECK_FALSE(queue.take(kSale, alive, milliseconds{0}, soon()).value());
  REQUIRE(controller.close(kSale));
  for (const BuyerId& consumer : {dead, alive}) CHECK(queue.take_back(kSale, consumer, soon()).value() == 0);
  REQUIRE(controller.retire(kSale));
  CHECK(setup.primary().command({"EXISTS", core::Keys(kSale.text()).meta}).integer == 0);
}

TEST_CASE("the proxy answers a pipeline in its order, though it is served in several places") {
  EndpointSetup setup(milliseconds{0});
  const auto pool = make_pool(setup.url()).value();
  setup.primary().command({"SET", "word", "here"});
  for (std::size_t i = 1; i < 3; ++i)
    REQUIRE(eventually([&] { return setup.servers[i]->command({"GET", "word"}).text == "here"; }));
  for (std::size_t i = 1; i < 3; ++i) setup.servers[i]->command({"CONFIG", "SET", "slave-read-only", "no"});
  for (std::size_t i = 1; i < 3; ++i) setup.servers[i]->command({"SET", "word", "there"});
  auto lease = pool->acquire(Role::primary, 0, soon());
  REQUIRE(lease);
  for (int round = 0; round < 50; ++round) {
    const std::string nonce = std::to_string(round);
    const auto trip = (*lease)->roundtrip({{"ECHO", nonce},
                                           {"GET", "word"},
                                           {"EVAL", "return redis.call('GET', KEYS[1])", "1", "word"},
                                           {"EVAL_RO", "return redis.call('GET', KEYS[1])", "1", "word"},
                                           {"STRLEN", "word"},
                                           {"SCRIPT", "LOAD", "return 1"},
                                           {"ECHO", "last"}},
                                          soon());
    REQUIRE(trip.replies.size() == 7);
    CHECK(trip.replies[0].text == nonce);
    CHECK(trip.replies[1].text == "there");
    CHECK(trip.replies[2].text == "here");
    CHECK(trip.replies[3].text == "there");
    CHECK(trip.replies[4].integer == 5);
    CHECK(trip.replies[6].text == "last");
  }
  const auto reads = setup.proxy->reads();
  CHECK(reads.at("GET word") == 50);
  CHECK(reads.at("STRLEN word") == 50);
  CHECK(reads.at("EVAL_RO return redis.call('GET', KEYS[1])") == 50);
  CHECK(reads.size() == 3);
}

}  // namespace
}  // namespace flashsale::test
