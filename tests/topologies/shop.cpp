#include "topologies/shop.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <stdexcept>

#include "support/by_deadline.hpp"
#include "support/served_sale.hpp"
#include "util/deadline.hpp"

namespace flashsale::test {
namespace {

constexpr std::size_t kBuyers = 4;
constexpr std::int64_t kUnits = 1'000'000;  // more than is sold while it is broken
constexpr std::int64_t kLast = 300;
constexpr milliseconds kCall{3000};
constexpr std::uint64_t kToSellOn = 20;
constexpr milliseconds kPatience{90'000};

/// What Redis says among itself; a caller that hears it heard an answer to another question than its own.
constexpr std::string_view kCodes[] = {"READONLY", "MOVED",   "NOSCRIPT",   "ASK ",
                                       "TRYAGAIN", "LOADING", "MASTERDOWN", "CLUSTERDOWN"};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(to_string(result.error()));
  return std::move(*result);
}

}  // namespace

Shop::Shop(const std::string& url, std::string sale, std::vector<Level> levels, int replicas)
    : sale_(std::move(sale)), levels_(std::move(levels)) {
  dir_ = (std::filesystem::temp_directory_path() / "flashsale-shop-XXXXXX").string();
  if (mkdtemp(dir_.data()) == nullptr) throw std::runtime_error("no temporary folder");
  pool_ = must(make_pool(url));
  worker_pool_ = must(make_pool(url));
  sink_ = open_sink(dir_ + "/orders.db");
  worker_sink_ = open_sink(dir_ + "/orders.db");
  ControllerOptions patient;
  patient.timeout = milliseconds{30'000};
  controller_ = std::make_unique<SaleController>(pool_, sink_, patient);
  Sale wanted{SaleId{sale_}};
  wanted.item(ItemId{"shoe"}, kUnits, 2).replicas = replicas;
  must(controller_->create(wanted));
  must(controller_->open(SaleId{sale_}));
  worker_ = std::make_unique<OrderWorker>(worker_pool_, worker_sink_, WorkerOptions{}, std::vector<std::string>{sale_});
  worker_thread_ = std::thread([this] {
    if (auto ran = worker_->run(); !ran) note_problem("the worker ended: " + to_string(ran.error()));
  });
  gate_ = std::make_unique<StockGate>(pool_);
  for (std::size_t i = 0; i < kBuyers; ++i) buyers_.emplace_back([this, i] { buy(i); });
}

Shop::~Shop() {
  stop_ = true;
  for (auto& buyer : buyers_)
    if (buyer.joinable()) buyer.join();
  worker_->stop();
  if (worker_thread_.joinable()) worker_thread_.join();
  worker_.reset();
  gate_.reset();
  controller_.reset();
  sink_.reset();
  worker_sink_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

void Shop::note_problem(std::string problem) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (problems_.size() < 20) problems_.insert(std::move(problem));
}

/// Each buyer asks for one unit until it hears yes or that all are sold: an error is no answer, and asked again.
void Shop::buy(std::size_t thread) {
  const Level level = levels_[thread % levels_.size()];
  for (std::size_t i = 0; !stop_ && !sold_out_; ++i) {
    const std::string buyer = fmt::format("b{}-{}", thread, i);
    while (!stop_ && !sold_out_) {
      Call call{SaleId{sale_}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"click"}};
      call.timeout = kCall;
      call.level = level;
      const auto started = util::Clock::now();
      const auto answer = gate_->reserve(call);
      if (util::Clock::now() - started > kCall + kLateness) note_problem("a call went on past its deadline");
      if (!answer) {
        for (const auto code : kCodes)
          if (answer.error().detail.find(code) != std::string::npos) note_problem("heard: " + answer.error().detail);
        const std::lock_guard<std::mutex> lock(mutex_);
        last_obstacle_ = to_string(answer.error());
        continue;
      }
      if (answer->outcome == Outcome::sold_out) {
        sold_out_ = true;
      } else if (answer->holds_stock() && answer->level >= level) {
        const std::lock_guard<std::mutex> lock(mutex_);
        heard_.push_back({buyer, to_string(answer->order)});
        ++won_[static_cast<std::size_t>(level)];
      } else {
        if (answer->outcome != Outcome::paused && answer->outcome != Outcome::pending &&
            answer->outcome != Outcome::not_started && !answer->holds_stock())
          note_problem("heard: " + std::string(name(answer->outcome)));
        const std::lock_guard<std::mutex> lock(mutex_);
        last_obstacle_ = std::string(name(answer->outcome));
        std::this_thread::sleep_for(milliseconds{5});
        continue;
      }
      break;
    }
    std::this_thread::sleep_for(milliseconds{2});
  }
}

void Shop::sell_on() {
  for (const Level level : levels_) sell_on_at(level);
}

void Shop::sell_on_at(Level level) {
  auto& won = won_[static_cast<std::size_t>(level)];
  const auto target = won.load() + kToSellOn;
  const bool sold = eventually([&] { return won.load() >= target || sold_out_; }, kPatience);
  const std::lock_guard<std::mutex> lock(mutex_);
  REQUIRE_MESSAGE(sold, "it does not sell again at level ", name(level), ": ", last_obstacle_,
                  "; worker: ", worker_->report().waiting_for);
}

void Shop::outlive_small_faults(PrivateRedis& primary) {
  primary.command({"SCRIPT", "FLUSH"});
  sell_on();
  primary.command({"CLIENT", "KILL", "TYPE", "normal"});
  sell_on();
  primary.pause();
  std::this_thread::sleep_for(milliseconds{700});  // longer than a lane's patience
  primary.resume();
  sell_on();
}

void Shop::check_rows() {
  auto transaction = must(sink_->begin(OrderSink::Access::read, util::Clock::now() + kPatience));
  const auto rows = must(transaction->orders_by_buyer(SaleId{sale_}, "", 1'000'000));
  const auto row = must(transaction->lock_sale(SaleId{sale_})).value();
  std::map<std::string, std::string> by_order;
  std::int64_t units = 0;
  for (const OrderRow& stored : rows) {
    by_order[to_string(stored.order.id)] = stored.order.buyer;
    units += stored.order.quantity;
  }
  CHECK(by_order.size() == rows.size());
  CHECK(units <= row.items.at(0).total);
  CHECK(row.items.at(0).sold == units);
  std::size_t lost = 0;
  for (const Heard& told : heard_) {
    const auto found = by_order.find(told.order);
    lost += found == by_order.end() || found->second != told.buyer ? 1 : 0;
  }
  CHECK_MESSAGE(lost == 0, lost, " of ", heard_.size(), " orders were told and are not in the database");
}

void Shop::leave_few() {
  const auto few = [&] {
    const auto status = controller_->status(SaleId{sale_}, Role::primary);
    if (!status) return false;
    const auto& item = status->items.at(0);
    const std::int64_t left = item.total - item.booked;
    if (left <= 2 * kLast) return true;
    const auto taken = controller_->restock(SaleId{sale_}, ItemId{"shoe"}, kLast - left, OperationId{"last"});
    return taken.has_value();
  };
  CHECK(eventually(few, kPatience));
}

void Shop::finish() {
  leave_few();
  eventually([&] { return sold_out_.load(); }, kPatience);
  CHECK_MESSAGE(sold_out_.load(), "it did not sell out: ", last_obstacle_);
  stop_ = true;
  for (auto& buyer : buyers_) buyer.join();
  worker_->stop();
  worker_thread_.join();
  OrderWorker last(worker_pool_, worker_sink_, WorkerOptions{}, {sale_});
  const auto drained = last.drain(util::Clock::now() + kPatience);
  CHECK_MESSAGE(drained.has_value(), (drained ? "" : to_string(drained.error())));
  check_rows();
  for (const std::string& problem : problems_) CHECK_MESSAGE(false, problem);
}

}  // namespace flashsale::test
