#include "demo_crowd.hpp"

#include <fmt/format.h>

#include "stop_signal.hpp"

namespace cli {

using namespace flashsale;

std::string item_name(std::size_t item) { return fmt::format("item-{}", item + 1); }
std::int64_t item_limit(std::size_t item) { return std::int64_t{1} << (item % 3); }
std::string buyer_name(std::uint32_t buyer) { return fmt::format("buyer-{}", buyer); }
std::string request_name(std::uint64_t request) { return fmt::format("click-{}", request); }

DemoCrowd::DemoCrowd(DemoSize size) : size_(std::move(size)), random_(size_.seed) {
  attempts_.reserve(size_.attempts);
  names_.reserve(size_.attempts);
}

DemoAttempt DemoCrowd::make_up() {
  constexpr std::size_t kRecent = 2000;
  const std::size_t kind = roll(100);
  if (kind < 8 && !attempts_.empty()) {  // a lost reply, or an impatient finger: the same request again
    DemoAttempt repeated = attempts_[attempts_.size() - 1 - roll(std::min(attempts_.size(), kRecent))];
    repeated.code = 0;
    repeated.order = {};
    return repeated;
  }
  DemoAttempt attempt;
  attempt.request = attempts_.size();
  attempt.item = static_cast<std::uint32_t>(roll(size_.items));
  // A fifth of the crowd are forty scripts that never give up.
  const std::size_t buyers = kind < 28 ? std::min<std::size_t>(size_.buyers, 40) : size_.buyers;
  attempt.buyer = static_cast<std::uint32_t>(roll(buyers));
  const std::size_t greed = roll(100);
  if (greed >= 85) attempt.quantity = greed < 95 ? 2 : greed < 99 ? 3 : 5;
  return attempt;
}

bool DemoCrowd::next(Call& call) {
  if (attempts_.size() == size_.attempts || StopSignal::came()) return false;
  attempts_.push_back(make_up());
  const DemoAttempt& attempt = attempts_.back();
  names_.push_back({buyer_name(attempt.buyer), item_name(attempt.item), request_name(attempt.request)});
  call = again(attempts_.size() - 1);
  return true;
}

Call DemoCrowd::again(std::uint64_t tag) {
  const Names& names = names_[tag];
  Call call{SaleId{size_.sale}, ItemId{names.item}, BuyerId{names.buyer}, RequestId{names.request}};
  call.quantity = attempts_[tag].quantity;
  call.payload = "{\"from\": \"demo\"}";
  call.tag = tag;
  return call;
}

void DemoCrowd::hear(const Event& event) {
  DemoAttempt& attempt = attempts_[event.tag];
  attempt.code = event.code;
  attempt.effect = event.effect;
  attempt.order = event.order();
  names_[event.tag] = {};
  if (event.is_outcome() && event.outcome() == Outcome::reserved) last_won_ = Deadline::clock::now();
  const std::lock_guard<std::mutex> lock(mutex_);
  ++counts_.attempts;
  ++counts_.answers[std::string(event.is_outcome() ? name(event.outcome()) : name(event.error()))];
}

DemoCrowd::Counts DemoCrowd::counts() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return counts_;
}

}  // namespace cli
