#include "feed.hpp"

#include <algorithm>
#include <flashsale/metrics.hpp>

#include "problem.hpp"

namespace server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kEvery{1};
constexpr std::chrono::seconds kAlarmLasts{60};
constexpr std::size_t kListenersMax = 16, kAlarmsMax = 16, kAlarmBytesMax = 200;
constexpr std::uint64_t kLagAlarm = 2'000;  // entries: four rounds of a worker that keeps up
constexpr flashsale::milliseconds kTimeout{800};

flashsale::ControllerOptions options() {
  flashsale::ControllerOptions options;
  options.timeout = kTimeout;
  return options;
}

nlohmann::ordered_json layer(std::uint64_t arrived, std::uint64_t answered) {
  return {{"arrived", arrived}, {"answered", std::min(arrived, answered)}};
}

std::uint64_t less(std::uint64_t from, std::uint64_t what) { return from - std::min(from, what); }

}  // namespace

void Alarms::add(std::string_view line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  alarms_.push_front({std::string(line.substr(0, kAlarmBytesMax)), Clock::now()});
  if (alarms_.size() > kAlarmsMax) alarms_.pop_back();
}

std::vector<std::string> Alarms::recent() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::string> lines;
  for (const auto& alarm : alarms_)
    if (Clock::now() - alarm.at < kAlarmLasts && std::find(lines.begin(), lines.end(), alarm.text) == lines.end())
      lines.push_back(alarm.text);
  return lines;
}

Feed::Feed(std::shared_ptr<flashsale::ConnectionPool> pool, std::shared_ptr<flashsale::OrderSink> sink, Funnel& funnel,
           const std::string& edge_status)
    : controller_(std::move(pool), nullptr, options()),
      written_(std::move(sink)),
      funnel_(funnel),
      edge_(edge_status),
      thread_([this] { tick(); }) {}

void Feed::listen(Exchange& exchange, const std::string& sale) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (closing_ || listeners_.size() >= kListenersMax) {
    Problem problem;
    problem.status = 503;
    problem.code = "busy";
    problem.detail = "16 listeners are there already";
    problem.effect = "none";
    return exchange.answer(to_response(problem));
  }
  auto stream = std::make_shared<Stream>();
  listeners_.push_back({sale, stream});
  Response response;
  response.content_type = "text/event-stream";
  response.headers = {{"X-Accel-Buffering", "no"}};
  response.stream = stream;
  stream->push("retry: 2000\n\n");
  exchange.answer(std::move(response));
}

void Feed::tick() {
  std::unique_lock<std::mutex> lock(mutex_);
  auto before = Clock::now();
  while (!closing_) {
    std::map<std::string, std::string> frames;
    for (const auto& listener : listeners_) frames[listener.sale];
    lock.unlock();
    const auto won = funnel_.won.load(std::memory_order_relaxed);
    const auto now = Clock::now();
    const std::chrono::duration<double> passed = now - before;
    won_per_s_ = passed.count() > 0 ? static_cast<double>(won - won_before_) / passed.count() : 0;
    won_before_ = won;
    before = now;
    for (auto& [sale, text] : frames) text = frame(sale);
    funnel_.times.turn();
    lock.lock();
    const auto is_gone = [&](const Listener& listener) {
      const auto& text = frames[listener.sale];
      return !listener.stream->push(text.empty() ? ": wait\n\n" : text);  // who came meanwhile
    };
    listeners_.erase(std::remove_if(listeners_.begin(), listeners_.end(), is_gone), listeners_.end());
    wake_.wait_for(lock, kEvery, [this] { return closing_; });
  }
}

std::string Feed::frame(const std::string& sale) {
  auto alarms = alarms_.recent();
  const auto alarm = [&](std::string text) { alarms.insert(alarms.begin(), text.substr(0, kAlarmBytesMax)); };
  const auto status = controller_.status(flashsale::SaleId{sale}, flashsale::Role::primary);
  const Written& written = written_.look(sale, funnel_.sales.of(sale).first);
  const auto phase = status ? status->phase() : "unknown";
  Json body{{"sale", sale}, {"phase", phase}, {"fenced", status && status->fenced}};
  const auto wall_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  body["server_time_ms"] = status ? status->now_ms : wall_ms.count();
  body["opens_ms"] = status ? status->opens_ms : 0;
  body["closes_ms"] = status ? status->closes_ms : 0;
  body["funnel"] = funnel(sale, static_cast<std::uint64_t>(written.orders));
  const std::string why = written_.trouble(sale);
  body["items"] = Json::array();
  if (status) {
    for (const auto& item : status->items) {
      const auto found = written.confirmed.find(item.item);
      const auto confirmed = found == written.confirmed.end() ? 0 : std::min(found->second, item.booked);
      body["items"].push_back({{"item", item.item},
                               {"total", item.total},
                               {"available", std::max<std::int64_t>(0, item.total - item.booked)},
                               {"held", item.booked - confirmed},
                               {"confirmed", confirmed}});
    }
    if (status->waiting > kLagAlarm)
      alarm("The database is more than " + std::to_string(kLagAlarm) + " journal entries behind.");
    if (written.is_unknown && status->queue == flashsale::QueueMode::journal) alarm("The database has no such sale.");
    if (status->fenced) alarm("Redis lost its history: nothing is sold until the worker has reconciled.");
  } else {
    alarm("No look at the sale: " + to_string(status.error()));
  }
  if (written.dead > 0)
    alarm("Orders set aside that nobody has decided about: " + std::to_string(written.dead) +
          " (flashsale dead list).");
  if (!why.empty()) alarm("The database cannot be read, and what is confirmed is as old: " + why);
  if (const auto lost = edge_.trouble(); !lost.empty()) alarm("The edge does not answer: " + lost);
  body["accepted_per_s"] = won_per_s_;
  body["p50_ms"] = funnel_.times.quantile(0.5);
  body["p99_ms"] = funnel_.times.quantile(0.99);
  body["entries"] = status ? status->at.seq : 0;
  body["lag"] = status ? status->waiting : 0;
  body["batches"] = flashsale::metrics().batches;  // after the status, so that none is missing that made an entry
  if (alarms.size() > kAlarmsMax) alarms.resize(kAlarmsMax);
  body["alarms"] = alarms;
  return "data: " + body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n\n";
}

nlohmann::ordered_json Feed::funnel(const std::string& sale, std::uint64_t written) {
  const auto read = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_relaxed); };
  // Later stages first, so that no stage has seen less than the one behind it.
  const auto sold = funnel_.sales.of(sale).orders;
  const auto won = read(funnel_.won), answered = read(funnel_.answered);
  const auto refused = read(funnel_.refused), arrived = read(funnel_.arrived), requests = read(funnel_.requests);
  const auto local = std::min(flashsale::metrics().refused_locally, answered);
  const auto admitted = less(arrived, refused);
  const auto edge = edge_.requests();
  return {{"edge", edge ? layer(*edge, less(*edge, requests)) : Json(nullptr)},
          {"admission", layer(arrived, refused)},
          {"view", layer(admitted, local)},
          {"redis", layer(less(admitted, local), less(answered, local + won))},
          {"journal", layer(sold, less(sold, written))},
          {"database", layer(written, written)}};
}

void Feed::close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& listener : listeners_) listener.stream->end();
  listeners_.clear();
}

}  // namespace server
