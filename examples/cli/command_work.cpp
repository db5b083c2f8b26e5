// work: carries won orders into the database until it is told to stop.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "stop_signal.hpp"
#include "text.hpp"
#include "times.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct WorkOptions {
  std::vector<std::string> sales;
  bool drain = false;
  std::string within = "10m";
};

Json to_json(const WorkerReport& report) {
  return {{"orders", report.orders},         {"commits", report.commits}, {"dead", report.dead},
          {"reconciles", report.reconciles}, {"behind", report.behind},   {"waiting_for", report.waiting_for}};
}

std::string describe(const WorkerReport& report) {
  std::string text = fmt::format("{} orders in {} commits, {} entries behind", with_commas(report.orders),
                                 with_commas(report.commits), with_commas(report.behind));
  if (report.dead > 0) text += fmt::format(", {} set aside", with_commas(report.dead));
  if (report.reconciles > 0) text += fmt::format(", {} reconciles", report.reconciles);
  if (!report.waiting_for.empty()) text += "; waits for: " + report.waiting_for;
  return text;
}

/// Prints the report whenever it changed, until it is destroyed.
class Reporter {
 public:
  Reporter(const OrderWorker& worker, std::FILE* out) : worker_(worker), out_(out), thread_([this] { run(); }) {}
  ~Reporter() {
    stop_ = true;
    thread_.join();
  }

 private:
  void run() {
    std::string last = describe(WorkerReport{});
    while (!stop_) {
      std::this_thread::sleep_for(milliseconds{100});
      std::string line = describe(worker_.report());
      if (line == last) continue;
      fmt::print(out_, "{}\n", line);
      std::fflush(out_);
      last = std::move(line);
    }
  }

  const OrderWorker& worker_;
  std::FILE* const out_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// A worker waits for a sale that does not exist yet. But one that is in Redis and not in this database is no worker's
/// to wait for: most likely the database is the wrong one. Nor is a list any worker's.
void check_sale(const Session& session, OrderSink& sink, const std::string& sale, bool may_come) {
  const auto status = SaleController(session.pool(), nullptr, ControllerOptions{session.timeout(), {}})
                          .status(SaleId{sale}, Role::primary);
  if (!status && status.error().code != ErrorCode::not_found) return;  // the worker waits for Redis, and says so
  if (status && status->queue == QueueMode::list)
    throw Failure(Error{ErrorCode::unsupported, Effect::none,
                        fmt::format("sale {0} hands its orders over as the list fs:{{{0}}}:orders: BRPOP that", sale)});
  if (!status && may_come) return;
  const auto transaction = need(sink.begin(OrderSink::Access::read, session.deadline()));
  const auto rows = need(transaction->sales(true));
  if (std::any_of(rows.begin(), rows.end(), [&](const SaleRow& row) { return row.sale == sale; })) return;
  throw Failure(Error{ErrorCode::not_found, Effect::none,
                      fmt::format("the database {} has no sale {}: is --db right?", sink.describe(), sale)});
}

int work(Session& session, const WorkOptions& options) {
  const auto within = parse_duration("--within", options.within, milliseconds{1}, std::chrono::hours{24});
  const auto sink = session.sink();
  for (const auto& sale : options.sales) check_sale(session, *sink, sale, !options.drain);
  OrderWorker worker(session.pool(), sink, {}, options.sales);
  const StopSignal signal(&worker);
  Result<Done> ended;
  {
    const Reporter reporter(worker, session.chat());
    ended = options.drain ? worker.drain(Deadline::clock::now() + within) : worker.run();
  }
  const WorkerReport report = worker.report();
  if (!ended) throw Failure(ended.error(), to_json(report));
  if (options.drain && StopSignal::came())
    throw Failure(Error{ErrorCode::closed, Effect::none, "stopped before everything was persisted"}, to_json(report));
  return session.finish(to_json(report), "done: " + describe(report));
}

}  // namespace

void add_work(CLI::App& app, Run& run) {
  const auto options = std::make_shared<WorkOptions>();
  CLI::App* const verb = app.add_subcommand("work", "Carry won orders into the database, and watch over their sales");
  verb->add_option("SALE", options->sales, "Which ones (default: all of the database's)");
  verb->add_flag("--drain", options->drain, "End once everything sold so far is persisted");
  verb->add_option("--within", options->within, "How long --drain may take")->capture_default_str();
  verb->callback([options, &run] { run = [options](Session& session) { return work(session, *options); }; });
}

}  // namespace cli
