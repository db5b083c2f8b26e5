#include "board.hpp"

#include <nlohmann/json.hpp>

#include "problem.hpp"

namespace server {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::chrono::milliseconds kFresh{250};
constexpr std::chrono::minutes kRemembered{10};  // a sale that nobody asks for
constexpr std::size_t kUnknownMax = 512;
constexpr flashsale::milliseconds kTimeout{1'000};

flashsale::ControllerOptions options() {
  flashsale::ControllerOptions options;
  options.timeout = kTimeout;
  return options;
}

Response busy() {
  return to_response(flashsale::Error{flashsale::ErrorCode::busy, {}, "too many different sales are asked for"});
}

const char* coarse(const flashsale::SaleStatus::Item& item) {
  const auto left = item.total - item.booked;
  if (left <= 0) return "none";
  return left * 10 <= item.total ? "few" : "many";
}

Json to_json(const flashsale::SaleStatus& status, const std::vector<std::pair<std::string, std::string>>& infos) {
  Json items = Json::array();
  for (const auto& item : status.items) {
    Json row{{"item", item.item}, {"stock", coarse(item)}, {"limit", item.limit}};
    for (const auto& [name, info] : infos) {
      if (name != item.item) continue;
      Json parsed = Json::parse(info, nullptr, false);
      row["info"] = parsed.is_discarded() ? Json(info) : std::move(parsed);
    }
    items.push_back(std::move(row));
  }
  return {{"sale", status.sale},
          {"phase", status.fenced && status.phase() == "open" ? "paused" : status.phase()},
          {"server_time_ms", status.now_ms},
          {"opens_ms", status.opens_ms},
          {"closes_ms", status.closes_ms},
          {"hold_ms", status.hold_ms},
          {"items", std::move(items)}};
}

}  // namespace

Board::Board(std::shared_ptr<flashsale::ConnectionPool> pool)
    : pool_(std::move(pool)), controller_(pool_, nullptr, options()), thread_([this] { read_all(); }) {}

void Board::show(Exchange& exchange, const std::string& name) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (closing_) return exchange.answer(busy());
  if (name != "health" && cards_.find(name) == cards_.end() && !make_room()) return exchange.answer(busy());
  Card& card = cards_[name];
  if (Clock::now() - card.read_at <= kFresh) return exchange.answer(card.response);
  exchange.hold();
  card.waiting.push_back(&exchange);
  if (card.queued) return;
  card.queued = true;
  if (card.known || name == "health")
    queue_.push_front(name);
  else
    queue_.push_back(name);
  lock.unlock();
  wake_.notify_one();
}

/// Forgets what nobody waits for and nobody asked for of late. False: there are too many names still that may be made
/// up. Of those that are not there are as many as there are sales.
bool Board::make_room() {
  if (cards_.size() < kUnknownMax) return true;
  const auto now = Clock::now();
  std::size_t unknown = 0;
  for (auto it = cards_.begin(); it != cards_.end();) {
    const Card& card = it->second;
    if (!card.queued && now - card.read_at > (card.known ? Clock::duration(kRemembered) : kFresh)) {
      it = cards_.erase(it);
    } else {
      unknown += card.known ? 0 : 1;
      ++it;
    }
  }
  return unknown < kUnknownMax;
}

void Board::read_all() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::string name = std::move(queue_.front());
    queue_.pop_front();
    const bool closing = closing_;
    lock.unlock();
    Response response = closing ? busy() : read(name);
    lock.lock();
    Card& card = cards_[name];
    card.response = response;
    card.read_at = Clock::now();
    card.known = card.known || response.status == 200;
    card.queued = false;
    for (Exchange* const exchange : std::exchange(card.waiting, {})) exchange->answer(response);
  }
}

Response Board::read(const std::string& name) { return name == "health" ? read_health() : read_sale(name.substr(1)); }

Response Board::read_sale(const std::string& sale) {
  const flashsale::SaleId id{sale};
  const auto status = controller_.status(id);
  if (!status) {
    Response refusal = to_response(status.error());
    if (refusal.status == 404) refusal.headers.emplace_back("Cache-Control", "public, max-age=1");
    return refusal;
  }
  const auto infos = controller_.info(id);
  Response response;
  response.body = to_json(*status, infos ? *infos : std::vector<std::pair<std::string, std::string>>{})
                      .dump(-1, ' ', false, Json::error_handler_t::replace);
  response.headers.emplace_back("Cache-Control", "public, max-age=1, stale-while-revalidate=30");
  return response;
}

Response Board::read_health() {
  const auto deadline = flashsale::Deadline::clock::now() + kTimeout;
  auto lease = pool_->acquire(flashsale::Role::primary, 0, deadline);
  if (!lease) return to_response(lease.error());
  const auto trip = (*lease)->roundtrip({{"PING"}}, deadline);
  if (trip.error) {
    lease->report(flashsale::Heard::broken);
    return to_response(*trip.error);
  }
  return Response{200, "application/json", R"({"status":"ok"})"};
}

void Board::close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

}  // namespace server
