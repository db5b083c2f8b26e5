// demo: a whole flash sale before your eyes, and the proof that it was right.
//
//   create -> countdown -> crowd (submit) -> Redis -> journal -> worker -> database -> compare every answer
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <future>
#include <thread>

#include "demo_check.hpp"
#include "funnel.hpp"
#include "stop_signal.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct DemoOptions {
  std::string units = "1000", attempts = "100000", items = "3", buyers = "30000", lanes = "2", seed, countdown = "3";
  bool keep = false;
};

/// What one run of the demo holds on to. Thread-bound.
class Demo {
 public:
  Demo(Session& session, DemoSize size, std::size_t lanes, std::int64_t countdown, bool keep)
      : session_(session),
        size_(std::move(size)),
        lanes_(lanes),
        countdown_(countdown),
        keep_(keep),
        sink_(session.sink()),
        sales_(session.controller()),
        canvas_(session.chat()),
        crowd_(size_) {}

  int run() {
    create();
    count_down();
    sell();
    const SaleStatus status = need(sales_.status(id(), Role::primary));
    const Verdict verdict = check(size_, crowd_.attempts(), status, *sink_);
    // A sale that went wrong is evidence; so is its place in Redis.
    if (verdict.right() && !keep_) clean_up();
    return finish(verdict);
  }

 private:
  SaleId id() const { return SaleId{size_.sale}; }

  void create() {
    Sale sale{id()};
    for (std::size_t i = 0; i < size_.items; ++i) sale.item(ItemId{item_name(i)}, size_.units, item_limit(i));
    need(sales_.create(sale));
    canvas_.say(fmt::format("{}: {} items of {} units, {} attempts by up to {} buyers; orders go to {}", size_.sale,
                            size_.items, with_commas(size_.units), with_commas(size_.attempts),
                            with_commas(size_.buyers), sink_->describe()));
  }

  void count_down() {
    for (auto left = countdown_; left > 0 && !StopSignal::came(); --left) {
      canvas_.say(fmt::format("opens in {} s", left));
      std::this_thread::sleep_for(std::chrono::seconds{1});
    }
    need(sales_.open(id()));
  }

  /// The crowd and the worker at once, the picture meanwhile; returns when all that was sold is persisted.
  void sell() {
    opened_ = Deadline::clock::now();
    OrderWorker worker(session_.pool(), sink_, {}, {size_.sale});
    auto working = std::async(std::launch::async, [&worker] { return worker.run(); });
    auto crowd = std::async(std::launch::async, [this] { send_crowd(); });
    while (crowd.wait_for(milliseconds{canvas_.is_terminal() ? 100 : 500}) != std::future_status::ready) draw();
    ended_ = Deadline::clock::now();
    worker.stop();
    const auto worked = working.get();
    crowd.get();
    need(worked);
    OrderWorker last(session_.pool(), sink_, {}, {size_.sale});
    need(last.drain(Deadline::clock::now() + milliseconds{60'000}));
    draw();
  }

  void send_crowd() {
    GateOptions how;
    how.lanes = lanes_;
    how.timeout = milliseconds{5000};
    StockGate gate(session_.pool(), how);
    pump(gate, crowd_);
  }

  void draw() {
    const auto status = sales_.status(id());
    if (!status) return;  // the picture may wait; the crowd finds out by itself
    const auto counts = crowd_.counts();
    Funnel funnel = funnel_of(*status, sink_.get(), session_.deadline());
    funnel.seconds = std::chrono::duration<double>(Deadline::clock::now() - opened_).count();
    funnel.attempts = counts.attempts;
    funnel.attempts_total = size_.attempts;
    funnel.answers = counts.answers;
    canvas_.draw(funnel);
  }

  void clean_up() {
    need(sales_.close(id()));
    need(sales_.retire(id()));
  }

  int finish(const Verdict& verdict) {
    const auto counts = crowd_.counts();
    const double seconds = std::chrono::duration<double>(ended_ - opened_).count();
    const double selling = std::chrono::duration<double>(crowd_.last_won() - opened_).count();
    const auto won = counts.answers.find("reserved");
    const double accepted = won == counts.answers.end() ? 0.0 : static_cast<double>(won->second) / selling;
    Json units = Json::object(), booked = Json::object();
    for (std::size_t i = 0; i < size_.items; ++i) units[item_name(i)] = size_.units;
    for (const auto& [item, count] : verdict.booked) booked[item] = count;
    const Json object = {{"sale", size_.sale},
                         {"attempts", counts.attempts},
                         {"answers", counts.answers},
                         {"units", units},
                         {"booked", booked},
                         {"persisted", verdict.persisted},
                         {"oversold", verdict.oversold},
                         {"lost", verdict.lost},
                         {"doubled", verdict.doubled},
                         {"over_limit", verdict.over_limit},
                         {"unexplained", verdict.unexplained},
                         {"set_aside", verdict.set_aside},
                         {"adrift", verdict.adrift},
                         {"accepted_per_s", static_cast<std::uint64_t>(accepted)},
                         {"seconds", static_cast<double>(static_cast<std::int64_t>(seconds * 1000)) / 1000},
                         {"right", verdict.right()}};
    return session_.finish(object, describe(verdict, counts, accepted), verdict.right() ? kYes : kWrong);
  }

  static std::string describe(const Verdict& verdict, const DemoCrowd::Counts& counts, double accepted) {
    return fmt::format(
        "\n{}: {} attempts answered, {} orders in the database, {} accepted a second while units were left\n"
        "  oversold {}, lost {}, doubled {}, over the limit {}, unexplained {}, set aside {}, adrift {}\n"
        "  (every answer was compared with the rows in the database)",
        verdict.right() ? "RIGHT" : "WRONG", with_commas(counts.attempts), with_commas(verdict.persisted),
        with_commas(static_cast<std::uint64_t>(accepted)), verdict.oversold, verdict.lost, verdict.doubled,
        verdict.over_limit, verdict.unexplained, verdict.set_aside, verdict.adrift);
  }

  Session& session_;
  const DemoSize size_;
  const std::size_t lanes_;
  const std::int64_t countdown_;
  const bool keep_;
  const std::shared_ptr<OrderSink> sink_;
  SaleController sales_;
  Canvas canvas_;
  DemoCrowd crowd_;
  Deadline opened_{}, ended_{};
};

/// No other run has it, also one of another machine on the same Redis.
std::string fresh_sale_id() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("demo-{:04}{:02}{:02}-{:02}{:02}{:02}-{}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec, random_id().substr(0, 6));
}

int demo(Session& session, const DemoOptions& options) {
  constexpr std::int64_t kMillions = 10'000'000;
  DemoSize size;
  size.sale = fresh_sale_id();
  size.units = parse_number("--units", options.units, 0, kUnitsMax);
  size.attempts = static_cast<std::size_t>(parse_number("--attempts", options.attempts, 1, kMillions));
  size.items = static_cast<std::size_t>(parse_number("--items", options.items, 1, kItemCountMax));
  size.buyers = static_cast<std::size_t>(parse_number("--buyers", options.buyers, 1, kMillions));
  size.seed = options.seed.empty() ? std::random_device{}()
                                   : static_cast<std::uint64_t>(parse_number("--seed", options.seed, 0, INT64_MAX));
  const auto lanes = static_cast<std::size_t>(parse_number("--lanes", options.lanes, 1, 16));
  const auto countdown = parse_number("--countdown", options.countdown, 0, 3600);
  const StopSignal signal;
  return Demo(session, std::move(size), lanes, countdown, options.keep).run();
}

}  // namespace

void add_demo(CLI::App& app, Run& run) {
  const auto options = std::make_shared<DemoOptions>();
  CLI::App* const verb = app.add_subcommand("demo", "A whole flash sale: a crowd, a worker, and the proof");
  verb->add_option("--units", options->units, "Units of each item")->capture_default_str();
  verb->add_option("--items", options->items, "Items, 1 to 64")->capture_default_str();
  verb->add_option("--attempts", options->attempts, "Purchase attempts of the whole crowd")->capture_default_str();
  verb->add_option("--buyers", options->buyers, "Different buyers at most")->capture_default_str();
  verb->add_option("--lanes", options->lanes, "Connections that carry batches, 1 to 16")->capture_default_str();
  verb->add_option("--seed", options->seed, "The same seed makes the same crowd (default: any)");
  verb->add_option("--countdown", options->countdown, "Seconds before it opens")->capture_default_str();
  verb->add_flag("--keep", options->keep, "Leave the sale open in Redis instead of retiring it");
  verb->callback([options, &run] { run = [options](Session& session) { return demo(session, *options); }; });
}

}  // namespace cli
