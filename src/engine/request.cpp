#include "engine/request.hpp"

#include <algorithm>
#include <utility>

namespace flashsale::engine {
namespace {
constexpr std::size_t kKeptTextBytes = 4096;  // a node that carried a long payload gives its memory back
}

void Request::fill(const Call& call, Level usual, Deadline until) {
  verb = call.verb;
  level = call.level == Level::usual ? usual : call.level;
  sale_bytes = static_cast<std::uint8_t>(call.sale.text().size());
  buyer_bytes = static_cast<std::uint8_t>(call.buyer.text().size());
  request_bytes = static_cast<std::uint8_t>(call.request.text().size());
  const bool reserves = verb == Verb::reserve;
  item_bytes = reserves ? static_cast<std::uint8_t>(call.item.text().size()) : std::uint8_t{0};
  quantity = reserves ? call.quantity : 0;
  text.clear();
  text.append(call.sale.text()).append(call.buyer.text()).append(call.request.text());
  if (reserves) text.append(call.item.text()).append(call.payload);
  from_replica = verb == Verb::status && level <= Level::primary;
  asks_view = checking = false;
  decided = Answer{};
  needs = Position{};
  mark = {};
  effect = Effect::none;
  unknown_until_ms = 0;
  deadline = until;
  not_before = Deadline{};
  tag = call.tag;
}

Errand Request::errand() const {
  if (checking) return Errand::look;
  switch (verb) {
    case Verb::reserve:
      return Errand::reserve;
    case Verb::confirm:
      return Errand::confirm;
    case Verb::release:
      return Errand::release;
    case Verb::resolve:
    case Verb::status:
      break;
  }
  return Errand::look;
}

Result<Answer> Request::last_word(const Result<Answer>& answer) const {
  const bool knows = answer && answer->outcome != Outcome::paused;
  if (knows || !is_decided()) return answer;
  Answer pending = decided;
  pending.outcome = Outcome::pending;
  return pending;
}

void Request::clear() {
  queue.reset();
  waiter = nullptr;
  if (text.capacity() > kKeptTextBytes) std::string().swap(text);
}

void RequestList::push_back(Request* request) {
  request->next = nullptr;
  (last_ == nullptr ? first_ : last_->next) = request;
  last_ = request;
  ++size_;
  earliest_ = std::min(earliest_, request->deadline);
}

void RequestList::push_front(Request* request) {
  request->next = first_;
  first_ = request;
  if (last_ == nullptr) last_ = request;
  ++size_;
  earliest_ = std::min(earliest_, request->deadline);
}

Request* RequestList::pop_front() {
  Request* const request = first_;
  if (request == nullptr) return nullptr;
  first_ = request->next;
  if (first_ == nullptr) last_ = nullptr;
  request->next = nullptr;
  --size_;
  return request;
}

void RequestList::append(RequestList& other) {
  if (other.empty()) return;
  (last_ == nullptr ? first_ : last_->next) = other.first_;
  last_ = other.last_;
  size_ += other.size_;
  earliest_ = std::min(earliest_, other.earliest_);
  other = RequestList();
}

void RequestList::extract_due(Deadline now, RequestList& due) {
  if (now < earliest_) return;
  Deadline next = Deadline::max();
  extract(
      [&](const Request& at) {
        if (at.deadline <= now) return Pick::take;
        next = std::min(next, at.deadline);
        return Pick::leave;
      },
      [&](Request* at) { due.push_back(at); });
  earliest_ = next;
}

Event to_event(std::uint64_t tag, const Answer& answer) {
  Event event;
  event.tag = tag;
  event.code = static_cast<std::int32_t>(answer.outcome);
  event.level = answer.level;
  event.reason = answer.reason;
  event.index = answer.order.index;
  event.epoch = answer.order.at.epoch;
  event.seq = answer.order.at.seq;
  event.remaining = answer.remaining;
  event.hold_until_ms = answer.hold_until_ms;
  event.retry_after_ms = answer.retry_after_ms;
  return event;
}

Event to_event(std::uint64_t tag, const Result<Answer>& answer) {
  if (answer) return to_event(tag, *answer);
  Event event;
  event.tag = tag;
  event.code = static_cast<std::int32_t>(answer.error().code);
  event.effect = answer.error().effect;
  return event;
}

}  // namespace flashsale::engine
