#include "challenges.hpp"

#include <utility>

#include "problem.hpp"

namespace server {

using flashsale::ErrorCode;

namespace {

Response refusal() {
  Problem problem;
  problem.status = 401;
  problem.code = "unauthorized";
  problem.detail = "the answer to the challenge is wrong";
  return to_response(problem);
}

Response error(ErrorCode code, const char* detail) { return to_response(flashsale::Error{code, {}, detail}); }

}  // namespace

Challenges::Challenges(ChallengeOptions options, Pass pass) : options_(std::move(options)) {
  desk_->pass = std::move(pass);
  if (options_.hook) thread_ = std::thread([this] { expire(); });
}

void Challenges::Desk::answer(std::uint64_t number, const std::function<Response(const std::string& sale)>& with) {
  const std::lock_guard<std::mutex> lock(mutex);
  const auto found = waiting.find(number);
  if (found == waiting.end()) return;
  const Waiting one = std::move(found->second);
  waiting.erase(found);
  Response response;
  try {
    response = with(one.sale);
  } catch (const std::exception&) {
    response = error(ErrorCode::internal, "no token could be made");
  }
  one.exchange->answer(std::move(response));
}

void Challenges::ask(Exchange& exchange, Challenge challenge) {
  if (!options_.hook) return exchange.answer(desk_->pass(challenge.sale));
  std::uint64_t number = 0;
  {
    const std::lock_guard<std::mutex> lock(desk_->mutex);
    if (desk_->closing) return exchange.answer(error(ErrorCode::closed, "shutting down"));
    if (desk_->waiting.size() >= options_.waiting_max)
      return exchange.answer(error(ErrorCode::busy, "too many guests wait for their challenge"));
    exchange.hold();
    number = ++desk_->last;
    desk_->waiting[number] = {&exchange, challenge.sale, Clock::now() + options_.within};
    if (desk_->waiting.size() == 1) desk_->wake.notify_one();
  }
  const Verdict verdict = [weak = std::weak_ptr<Desk>(desk_), number](bool is_right) {
    if (const auto desk = weak.lock())
      desk->answer(number, [&](const std::string& sale) { return is_right ? desk->pass(sale) : refusal(); });
  };
  try {
    options_.hook(challenge, verdict);
  } catch (...) {
    desk_->answer(number, [](const std::string&) { return error(ErrorCode::internal, "the challenge's hook failed"); });
  }
}

void Challenges::expire() {
  std::unique_lock<std::mutex> lock(desk_->mutex);
  while (!desk_->closing) {
    auto& waiting = desk_->waiting;
    if (waiting.empty()) {
      desk_->wake.wait(lock);
    } else if (const auto until = waiting.begin()->second.until; Clock::now() < until) {
      desk_->wake.wait_until(lock, until);
    } else {
      Exchange* const exchange = waiting.begin()->second.exchange;
      waiting.erase(waiting.begin());
      exchange->answer(error(ErrorCode::timed_out, "the challenge has no verdict yet"));
    }
  }
}

void Challenges::close() {
  {
    const std::lock_guard<std::mutex> lock(desk_->mutex);
    desk_->closing = true;
    for (auto& [number, one] : std::exchange(desk_->waiting, {}))
      one.exchange->answer(error(ErrorCode::closed, "shutting down"));
  }
  desk_->wake.notify_one();
  if (thread_.joinable()) thread_.join();
}

}  // namespace server
