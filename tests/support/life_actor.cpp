#include "support/life_actor.hpp"

#include <fmt/format.h>

#include <random>
#include <sstream>

#include "support/ask.hpp"

namespace flashsale::test {
namespace {

constexpr std::size_t kBuyers = 6, kRequests = 8, kItems = 2;

class Actor {
 public:
  Actor(const std::shared_ptr<ConnectionPool>& pool, const LifePlan& plan)
      : plan_(plan), random_(plan.seed), gate_(pool, {milliseconds{20'000}}) {}

  LifeReport run() {
    for (std::size_t i = 0; i < plan_.acts && report_.complaints.size() < 5; ++i) act();
    for (const auto& [key, known] : known_)
      report_.lives[known.order] = {key.first, {known.lived.item, known.lived.quantity, known.lived.life}};
    return std::move(report_);
  }

 private:
  struct Known {
    std::string order;
    LivedOrder lived;
  };

  std::size_t roll(std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_); }

  void act() {
    buyer_ = fmt::format("{}-{}", plan_.name, roll(kBuyers));
    request_ = fmt::format("r{}", roll(kRequests));
    const auto found = known_.find({buyer_, request_});
    known_order_ = found == known_.end() ? nullptr : &found->second;
    constexpr Verb kVerbs[] = {Verb::reserve, Verb::reserve, Verb::confirm, Verb::release, Verb::resolve, Verb::status};
    verb_ = kVerbs[roll(std::size(kVerbs))];
    item_ = fmt::format("item-{}", roll(kItems));
    quantity_ = static_cast<std::uint32_t>(1 + roll(2));
    hear(ask());
  }

  Result<Answer> ask() {
    Call call{SaleId{plan_.sale}, ItemId{item_}, BuyerId{buyer_}, RequestId{request_}, quantity_};
    call.payload = std::string_view("\0\xff payload", 10);
    call.verb = verb_;
    call.level = Level::primary;
    return test::ask(gate_, call);
  }

  void hear(const Result<Answer>& answer) {
    if (!answer) {
      const bool other = verb_ == Verb::reserve && known_order_ != nullptr &&
                         (known_order_->lived.item != item_ || known_order_->lived.quantity != quantity_);
      if (answer.error().code != ErrorCode::conflict || !other) complain(to_string(answer.error()));
      return;
    }
    if (known_order_ == nullptr)
      hear_of_nothing(*answer);
    else
      hear_of_order(*answer, *known_order_);
  }

  /// No order of that request exists.
  void hear_of_nothing(const Answer& answer) {
    if (verb_ != Verb::reserve) return must(answer, answer.outcome == Outcome::not_reserved);
    if (answer.outcome == Outcome::reserved) {
      must(answer, held() + quantity_ <= plan_.limit);
      known_[{buyer_, request_}] = {to_string(answer.order), {item_, quantity_, Life::open}};
    } else {
      // What was returned counts until it is credited, so the limit may be reached a little longer than we know of.
      must(answer, answer.outcome == Outcome::sold_out || answer.outcome == Outcome::limit_reached);
    }
  }

  std::int64_t held() const {
    std::int64_t units = 0;
    for (const auto& [key, known] : known_)
      if (key.first == buyer_ && known.lived.item == item_ && known.lived.life == Life::confirmed)
        units += known.lived.quantity;
    return units;
  }

  void hear_of_order(const Answer& answer, Known& known) {
    if (verb_ == Verb::reserve && known.lived.item != item_)  // a conflict, unless the view refuses the other item
      return must(answer, answer.outcome == Outcome::sold_out);
    if (verb_ == Verb::reserve && known.lived.quantity != quantity_) return must(answer, false);  // a conflict only
    must(answer, to_string(answer.order) == known.order);
    Life& life = known.lived.life;
    switch (life) {
      case Life::confirmed:
        return must(answer, answer.outcome == Outcome::already_confirmed);
      case Life::released:
        return must(answer, answer.outcome == Outcome::already_released);
      case Life::expired:
        return must(answer, answer.outcome == Outcome::expired);
      case Life::open:
        break;
    }
    if (answer.outcome == Outcome::expired && plan_.holds)
      life = Life::expired;
    else if (verb_ == Verb::confirm && answer.outcome == Outcome::confirmed)
      life = Life::confirmed;
    else if (verb_ == Verb::release && answer.outcome == Outcome::released)
      life = Life::released;
    else
      must(answer, answer.outcome == Outcome::already_reserved && verb_ != Verb::confirm && verb_ != Verb::release);
  }

  void must(const Answer& answer, bool right) {
    if (!right) complain(fmt::format("{} {}", name(answer.outcome), to_string(answer.order)));
  }
  void complain(const std::string& heard) {
    report_.complaints.push_back(
        fmt::format("seed {}: {} of {} {} heard {}, knowing {}", plan_.seed, name(verb_), buyer_, request_, heard,
                    known_order_ == nullptr
                        ? std::string("nothing")
                        : fmt::format("{} {}", known_order_->order, static_cast<char>(known_order_->lived.life))));
  }

  const LifePlan plan_;
  std::mt19937_64 random_;
  StockGate gate_;
  std::map<std::pair<std::string, std::string>, Known> known_;  // by buyer and request
  LifeReport report_;
  // The act under way.
  std::string buyer_, request_, item_;
  std::uint32_t quantity_ = 1;
  Verb verb_ = Verb::reserve;
  Known* known_order_ = nullptr;
};

}  // namespace

LifeReport live(const std::shared_ptr<ConnectionPool>& pool, const LifePlan& plan) { return Actor(pool, plan).run(); }

std::string to_lines(const LifeReport& report) {
  std::string lines;
  for (const auto& [order, lived] : report.lives)
    lines += fmt::format("{} {} {} {} {}\n", order, lived.first, lived.second.item, lived.second.quantity,
                         static_cast<char>(lived.second.life));
  for (const auto& complaint : report.complaints) lines += "! " + complaint + "\n";
  return lines;
}

LifeReport from_lines(std::string_view lines) {
  LifeReport report;
  std::istringstream in{std::string(lines)};
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("! ", 0) == 0) {
      report.complaints.push_back(line.substr(2));
      continue;
    }
    std::istringstream words(line);
    std::string order, buyer;
    LivedOrder lived;
    char life = 'r';
    words >> order >> buyer >> lived.item >> lived.quantity >> life;
    lived.life = static_cast<Life>(life);
    report.lives[order] = {buyer, lived};
  }
  return report;
}

}  // namespace flashsale::test
