// A worker: steps through its sales in turn, waits for what heals, leaves alone what does not.
//
//   serving --transient error--> waiting (backoff, told once) --> serving
//      |  \--fence fired--> reconcile, or waiting for somebody's
//      \--conflict, unsupported--> left alone (alarm), and looked at again, ever more seldom --> serving
#include "flashsale/order_worker.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>

#include "engine/control_guard.hpp"
#include "engine/counters.hpp"
#include "engine/endpoint.hpp"
#include "engine/journal_applier.hpp"
#include "engine/log.hpp"
#include "engine/reconcile.hpp"
#include "engine/returns.hpp"
#include "engine/script_runner.hpp"
#include "engine/settle.hpp"
#include "engine/winners_publisher.hpp"
#include "util/deadline.hpp"
#include "util/event_fd.hpp"
#include "util/stop.hpp"

namespace flashsale {

using engine::JournalApplier;

namespace {

/// Long enough to rebuild the largest sale; `stop` ends it sooner.
constexpr std::chrono::minutes kReconcilePatience{10};

constexpr milliseconds kMeetAgain{30'000};  // where it could not be found out what decides the sales

/// A sale that is left alone is looked at again after a second, then twice as late each time: an operator may have put
/// it right, and nobody restarts a worker for one sale.
constexpr milliseconds kLookAgainMin{1000}, kLookAgainMax{60'000};

/// Waiting is no help: the sale is for an operator.
bool is_permanent(const Error& error) {
  switch (error.code) {
    case ErrorCode::conflict:
    case ErrorCode::unsupported:
    case ErrorCode::invalid_argument:
    case ErrorCode::closed:
    case ErrorCode::forked:
      return true;
    default:
      return false;
  }
}

/// One sale being served.
struct Served {
  Served(std::string name, JournalApplier its_applier, engine::WinnersPublisher its_publisher)
      : sale(std::move(name)), applier(std::move(its_applier)), publisher(std::move(its_publisher)) {}

  bool is_due(Deadline now) const { return now >= due; }
  /// Left alone for what no second look will change while the process runs: its database or its layout is another one.
  bool is_given_up() const { return left_alone && !applier.has_gap(); }

  std::string sale;
  JournalApplier applier;
  engine::WinnersPublisher publisher;
  Deadline publish_due{};
  engine::Totals reported;  // what of applier.totals() is in the report
  Position watermark;       // the last that a step saw
  std::uint64_t behind = 0;
  bool caught_up = false;
  std::optional<Error> left_alone;  // why it is not served now
  milliseconds look_again{};        // after that long, if it is left alone
  std::string obstacle;             // told last; empty: none
  int failures = 0;                 // in a row
  Deadline due{};                   // not to be stepped before
  Deadline sweep_due{};             // its holds are not to be swept before
  Position target;                  // of drain
  bool has_target = false;
};

}  // namespace

class OrderWorker::Body {
 public:
  Body(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, WorkerOptions options,
       std::vector<std::string> sales)
      : pool_(std::move(pool)), sink_(std::move(sink)), options_(options), named_(std::move(sales)) {
    options_.watch_every = std::clamp(options_.watch_every, milliseconds{10}, milliseconds{60'000});
    options_.call_timeout = std::clamp(options_.call_timeout, milliseconds{10}, milliseconds{60'000});
    options_.idle = std::clamp(options_.idle, milliseconds{1}, milliseconds{1000});
    options_.orders_per_commit = std::clamp<std::size_t>(options_.orders_per_commit, 1, 10'000);
  }

  Result<Done> run();
  Result<Done> drain(Deadline deadline);
  void stop() noexcept;
  WorkerReport report() const;

 private:
  using Sales = std::vector<Served>;

  void open_bell();
  bool is_stopped() const { return stop_.is_requested(); }
  bool pause(milliseconds time);
  Deadline call_deadline() const { return util::Clock::now() + options_.call_timeout; }

  Result<Done> list(Sales& sales);
  void watch(Sales& sales);
  void meet(const std::string& sale);
  bool serve(Served& served);
  void publish(Served& served);
  bool free_returns(Served& served);
  bool sweep(Served& served);
  void reconcile(Served& served);
  void advanced(Served& served, const engine::Progress& progress);
  void failed(Served& served, const Error& error);
  void leave_alone(Served& served, const Error& error, bool is_new);
  void note_totals(Served& served);
  void note_obstacles(const Sales& sales);
  const Error* all_left_alone(const Sales& sales) const;
  bool is_not_ours(const Served& served) const {
    return named_.empty() && served.left_alone && served.left_alone->code == ErrorCode::unsupported;
  }

  void aim(Served& served);
  Result<bool> is_drained(Sales& sales);

  const std::shared_ptr<ConnectionPool> pool_;
  const std::shared_ptr<OrderSink> sink_;
  WorkerOptions options_;
  const std::vector<std::string> named_;

  // stop() may run in a signal handler: it touches these alone.
  util::StopSource stop_;
  std::atomic<util::EventFd*> bell_{nullptr};

  mutable std::mutex mutex_;
  util::EventFd event_;        // opened under mutex_, once
  WorkerReport report_;        // guarded by mutex_
  bool met_ = false;           // it was said what decides the sales; of the running thread
  Deadline meet_due_{};        // not to be looked for before; likewise
  std::string list_obstacle_;  // the sink did not list its sales; of the running thread
};

/// Without a descriptor left the worker looks for `stop` once an idle pause, which is soon enough.
void OrderWorker::Body::open_bell() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (event_.open()) bell_.store(&event_);
}

void OrderWorker::Body::stop() noexcept {
  stop_.request();
  // Either we see the bell, or whoever opens it afterwards sees the flag before it sleeps.
  if (util::EventFd* bell = bell_.load()) bell->raise();
}

/// False: it is time to stop.
bool OrderWorker::Body::pause(milliseconds time) {
  if (is_stopped()) return false;
  event_.wait(time);
  return !is_stopped();
}

WorkerReport OrderWorker::Body::report() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return report_;
}

/// Brings `sales` to what is to be served now: those already there keep what they learned.
Result<Done> OrderWorker::Body::list(Sales& sales) {
  std::vector<std::string> names = named_;
  if (named_.empty()) {
    auto transaction = sink_->begin(OrderSink::Access::read, call_deadline());
    if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
    auto rows = (*transaction)->sales(/*with_retired=*/false);
    if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
    for (const SaleRow& row : *rows) names.push_back(row.sale);
  }
  const auto gone = [&](const Served& served) {
    return std::find(names.begin(), names.end(), served.sale) == names.end();
  };
  sales.erase(std::remove_if(sales.begin(), sales.end(), gone), sales.end());
  for (const std::string& name : names) {
    const auto known = [&](const Served& served) { return served.sale == name; };
    if (std::none_of(sales.begin(), sales.end(), known))
      sales.emplace_back(name, JournalApplier(pool_, sink_, name, options_.orders_per_commit),
                         engine::WinnersPublisher(pool_, name));
  }
  return {};
}

/// Every watch_every: new sales, and what a worker that died behind its commit did not tell Redis or free there. The
/// fence needs no watch of its own: every step compares it, also of a sale that has nothing to do.
void OrderWorker::Body::watch(Sales& sales) {
  const auto listed = list(sales);
  const std::string obstacle = listed ? "" : sink_->describe() + ": " + to_string(listed.error());
  if (!obstacle.empty() && obstacle != list_obstacle_) engine::log(LogLevel::warning, "{}", obstacle);
  list_obstacle_ = obstacle;
  if (!met_ && !sales.empty() && sales.front().obstacle.empty()) meet(sales.front().sale);
  for (Served& served : sales) {
    if (is_stopped()) return;
    if (!served.obstacle.empty()) continue;
    // A gate has no right to load scripts, and waits for us where they were flushed.
    if (auto loaded = engine::load_missing_scripts(*pool_, served.sale, call_deadline()); !loaded)
      failed(served, loaded.error());
    else if (auto told = engine::settle(*pool_, *sink_, served.sale, call_deadline()); !told)
      failed(served, told.error());
    else
      free_returns(served);
  }
}

/// Says once what decides the sales. What stands in the way of that stands in the sales' as well, which tell it.
void OrderWorker::Body::meet(const std::string& sale) {
  if (util::Clock::now() < meet_due_) return;  // other sales want to be served
  met_ = engine::meet_endpoint(*pool_, sale, call_deadline()).has_value();
  meet_due_ = util::Clock::now() + kMeetAgain;
}

/// Frees in Redis what a worker that died behind its commit did not. False: it could not be.
bool OrderWorker::Body::free_returns(Served& served) {
  const auto freed = engine::credit(*pool_, *sink_, served.sale, call_deadline());
  if (!freed) failed(served, freed.error());
  return freed.has_value();
}

/// One step of one sale. True if it moved something, so that there may be more.
bool OrderWorker::Body::serve(Served& served) {
  const bool more_due = util::Clock::now() >= served.sweep_due && sweep(served);
  auto progress = served.applier.step(call_deadline());
  note_totals(served);
  if (progress) {
    advanced(served, *progress);
    return more_due || !progress->caught_up;
  }
  if (served.applier.needs_reconcile() && options_.reconcile)
    reconcile(served);
  else
    failed(served, progress.error());
  return false;
}

/// Brings the winners' filter up to date, so that gates may refuse without Redis. Whatever stands in the way of that
/// stands in nobody else's.
void OrderWorker::Body::publish(Served& served) {
  if (!served.obstacle.empty() || util::Clock::now() < served.publish_due) return;
  const milliseconds pause = served.publisher.step(call_deadline());
  served.publish_due = util::Clock::now() + pause;
}

/// Expires a chunk of the holds that ran out; the step that follows carries it to the database. True if there are
/// more. What stands in its way stands in the step's as well, which tells it.
bool OrderWorker::Body::sweep(Served& served) {
  served.sweep_due = util::Clock::now() + options_.watch_every;
  const auto row = engine::read_row(*sink_, served.sale, call_deadline());
  if (!row || !*row || (*row)->hold_ms == 0 || !(*row)->rec_uuid.empty()) return false;
  if ((*row)->state == SaleState::creating || (*row)->state == SaleState::retired) return false;
  const auto swept = engine::sweep(*pool_, **row, call_deadline());
  if (!swept) return false;
  served.sweep_due =
      util::Clock::now() + (swept->more ? milliseconds{0} : std::min(swept->next_in, options_.watch_every));
  return swept->more;
}

void OrderWorker::Body::reconcile(Served& served) {
  engine::ReconcileWatch watch{&stop_};
  watch.waits = false;  // other sales want to be served meanwhile
  auto done = engine::reconcile(pool_, sink_, served.sale, util::Clock::now() + kReconcilePatience,
                                engine::Loss::refuse, &watch);
  if (watch.rebuilt) {
    const std::lock_guard<std::mutex> lock(mutex_);
    ++report_.reconciles;
  }
  if (!done && !is_stopped()) failed(served, done.error());
}

void OrderWorker::Body::advanced(Served& served, const engine::Progress& progress) {
  if (!served.obstacle.empty()) engine::log(LogLevel::info, "sale {}: going on", served.sale);
  served.obstacle.clear();
  served.left_alone.reset();
  served.failures = 0;
  served.watermark = progress.watermark;
  served.behind = progress.behind;
  served.caught_up = progress.caught_up;
  served.due = progress.caught_up ? util::Clock::now() + options_.idle : Deadline{};
}

void OrderWorker::Body::failed(Served& served, const Error& error) {
  served.caught_up = false;
  served.behind = served.applier.behind();
  const std::string obstacle = to_string(error);
  const bool is_new = std::exchange(served.obstacle, obstacle) != obstacle;
  if (is_permanent(error)) return leave_alone(served, error, is_new);
  served.left_alone.reset();
  if (is_new) engine::log(LogLevel::warning, "sale {}: waiting: {}", served.sale, obstacle);
  served.due = util::Clock::now() + engine::pause_before(++served.failures);
}

/// An unnamed sale that has another kind of queue is simply not ours; any other one needs a person.
void OrderWorker::Body::leave_alone(Served& served, const Error& error, bool is_new) {
  const milliseconds longer = std::clamp(served.look_again * 2, kLookAgainMin, kLookAgainMax);
  served.look_again = served.left_alone && !is_new ? longer : kLookAgainMin;
  served.left_alone = error;
  served.due = util::Clock::now() + served.look_again;
  if (is_new)
    engine::log(is_not_ours(served) ? LogLevel::warning : LogLevel::alarm, "sale {} is left alone, {} entries wait: {}",
                served.sale, served.behind, to_string(error));
}

void OrderWorker::Body::note_totals(Served& served) {
  const engine::Totals& now = served.applier.totals();
  const std::lock_guard<std::mutex> lock(mutex_);
  report_.orders += now.orders - served.reported.orders;
  report_.dead += now.dead - served.reported.dead;
  report_.commits += now.commits - served.reported.commits;
  served.reported = now;
}

void OrderWorker::Body::note_obstacles(const Sales& sales) {
  std::uint64_t behind = 0;
  std::string waiting_for = list_obstacle_;
  for (const Served& served : sales) {
    behind += served.behind;
    if (served.obstacle.empty() || is_not_ours(served)) continue;
    const std::string_view how = served.left_alone ? " is left alone" : "";
    waiting_for = fmt::format("sale {}{}, {} entries behind: {}", served.sale, how, served.behind, served.obstacle);
  }
  engine::note_entries_behind(behind);
  const std::lock_guard<std::mutex> lock(mutex_);
  report_.behind = behind;
  report_.waiting_for = std::move(waiting_for);
}

/// The first sale's reason, if every one of the named was left alone.
const Error* OrderWorker::Body::all_left_alone(const Sales& sales) const {
  if (named_.empty() || sales.empty()) return nullptr;
  for (const Served& served : sales)
    if (!served.is_given_up()) return nullptr;
  return &*sales.front().left_alone;
}

Result<Done> OrderWorker::Body::run() {
  const util::StopScope scope(stop_);
  open_bell();
  Sales sales;
  Deadline next_watch{};
  while (!is_stopped()) {
    if (util::Clock::now() >= next_watch) {
      watch(sales);
      next_watch = util::Clock::now() + options_.watch_every;
    }
    bool more = false;
    for (Served& served : sales) {
      if (is_stopped()) break;
      if (served.is_due(util::Clock::now())) more |= serve(served);
      publish(served);
    }
    note_obstacles(sales);
    if (const Error* error = all_left_alone(sales)) return tl::unexpected<Error>(*error);
    if (!more && !pause(options_.idle)) break;
  }
  return {};
}

/// Notes where the sale is now: what was written before this is at or before it.
void OrderWorker::Body::aim(Served& served) {
  auto row = engine::read_row(*sink_, served.sale, call_deadline());
  if (!row) return failed(served, row.error());
  if (!*row) return failed(served, {ErrorCode::not_found, Effect::none, "the database has no such sale"});
  const SaleState state = (*row)->state;
  served.has_target = state == SaleState::creating || state == SaleState::retired;  // nothing of it is in Redis
  if (served.has_target) return;
  auto side = engine::look_at(*pool_, served.sale, {}, call_deadline());
  if (!side) return failed(served, side.error());
  // Only a position of the database's own epoch and of this history can be reached by its watermark. Of any other a
  // step judges what to do; an old primary that came back would even seem to be drained already.
  if (side->is_primary && side->reads && side->rec.empty() && side->hist == side->history &&
      side->at.epoch == (*row)->fence_epoch && (*row)->rec_uuid.empty()) {
    served.target = side->at;
    served.has_target = free_returns(served);
  }
}

/// Whether every sale has reached its target. An error is one that waiting does not heal.
Result<bool> OrderWorker::Body::is_drained(Sales& sales) {
  bool drained = true;
  for (Served& served : sales) {
    if (served.left_alone) {
      if (is_not_ours(served)) continue;
      return tl::unexpected<Error>(*served.left_alone);
    }
    // A database that went back since is asked itself, before it is believed to be there.
    if (!served.has_target || (served.watermark < served.target && !served.caught_up)) {
      drained = false;
      continue;
    }
    auto row = engine::read_row(*sink_, served.sale, call_deadline());
    if (!row) {
      failed(served, row.error());
      drained = false;
    } else {
      drained &= *row && (*row)->watermark >= served.target;
    }
  }
  return drained;
}

Result<Done> OrderWorker::Body::drain(Deadline deadline) {
  const util::StopScope scope(stop_);
  open_bell();
  Sales sales;
  Result<Done> listed = list(sales);
  for (;;) {
    if (!listed && is_permanent(listed.error())) return listed;
    if (!listed) listed = list(sales);
    for (Served& served : sales) {
      if (is_stopped()) break;
      if (!served.left_alone && !served.has_target) aim(served);
      if (served.is_due(util::Clock::now())) serve(served);
    }
    note_obstacles(sales);
    if (listed) {
      auto drained = is_drained(sales);
      if (!drained) return tl::unexpected<Error>(std::move(drained.error()));
      if (*drained) return {};
    }
    if (is_stopped()) return fail(ErrorCode::closed, "the worker was stopped");
    if (util::Clock::now() >= deadline) {
      const std::string waiting_for = listed ? report().waiting_for : to_string(listed.error());
      return fail(ErrorCode::timed_out, waiting_for.empty() ? "entries are left in the journals" : waiting_for);
    }
    const bool more = std::any_of(sales.begin(), sales.end(), [](const Served& served) {
      return !served.left_alone && !served.caught_up && served.obstacle.empty();
    });
    if (!more) pause(options_.idle);
  }
}

OrderWorker::OrderWorker(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, WorkerOptions options,
                         std::vector<std::string> sales)
    : body_(std::make_unique<Body>(std::move(pool), std::move(sink), options, std::move(sales))) {}

OrderWorker::~OrderWorker() = default;

Result<Done> OrderWorker::run() {
  return engine::guarded([&] { return body_->run(); });
}

Result<Done> OrderWorker::drain(Deadline deadline) {
  return engine::guarded([&] { return body_->drain(deadline); });
}

void OrderWorker::stop() noexcept { body_->stop(); }

WorkerReport OrderWorker::report() const { return body_->report(); }

}  // namespace flashsale
