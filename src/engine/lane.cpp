#include "engine/lane.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "core/batch_room.hpp"
#include "engine/counters.hpp"
#include "util/deadline.hpp"
#include "util/thread.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kBatchWalkMax = 8192;   // how far a batch looks for its like behind requests of other sales
constexpr milliseconds kThreadPatience{500};  // a connect takes no longer; nor stop(), where a plug does not heed it
constexpr std::size_t kObstaclesMax = 256;    // sales whose trouble is remembered
constexpr auto kForever = std::chrono::hours(24);

void count(const Result<Answer>& answer) {
  if (answer)
    counters().answered(answer->outcome);
  else
    counters().failed(answer.error().code, answer.error().effect);
}

}  // namespace

void Lane::borrow(RequestList& nodes, std::size_t count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  while (nodes.size() < count) {
    Request* node = spare_.pop_front();
    if (node == nullptr) {
      node = nodes_.emplace_back(std::make_unique<Request>()).get();
      node->home = this;
    }
    nodes.push_back(node);
  }
}

void Lane::give_back(RequestList& nodes) {
  for (Request* node = nodes.first(); node != nullptr; node = node->next) node->clear();
  const std::lock_guard<std::mutex> lock(mutex_);
  spare_.append(nodes);
}

bool Lane::is_idle() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !led_ && queue_.empty();
}

void Lane::wake_thread(std::unique_lock<std::mutex>& lock) {
  if (thread_.joinable() || stopping_) {
    lock.unlock();
    work_.notify_one();
    return;
  }
  try {
    thread_ = util::start_thread("flashsale-lane", [this] {
      const util::StopScope scope(shared_.stop);
      lead_as_thread();
    });
  } catch (const std::system_error&) {
    RequestList refused;
    refused.append(queue_);
    refused.append(later_);
    led_ = true;
    lock.unlock();
    while (Request* request = refused.pop_front())
      answer(request, fail(ErrorCode::internal, "the system has no more threads", request->effect));
    flush();
    lock.lock();
    led_ = false;
    lock.unlock();
  }
}

void Lane::enqueue(RequestList& requests) {
  std::unique_lock<std::mutex> lock(mutex_);
  queue_.append(requests);
  if (!led_) wake_thread(lock);
}

// The thread sleeps until the first of them is due, so the others need not wake it.
void Lane::enqueue_later(RequestList& requests) {
  std::unique_lock<std::mutex> lock(mutex_);
  const bool wakes = later_.empty() && !led_;
  later_.append(requests);
  if (wakes) wake_thread(lock);
}

void Lane::call(Request* request) {
  Waiter& waiter = *request->waiter;
  const Deadline deadline = request->deadline;
  std::unique_lock<std::mutex> lock(mutex_);
  const bool lead = !request->asks_view && !led_ && queue_.empty() && !crowded_ && !stopping_;
  (request->asks_view ? later_ : queue_).push_back(request);
  if (lead) {
    led_ = true;
    lock.unlock();
    {
      const util::StopScope scope(shared_.stop);  // a gate that is closed waits for its leader
      drive(&waiter, deadline);
    }
    lock.lock();
    led_ = false;
    if (!queue_.empty() || !later_.empty() || flight_.is_flying() || stopping_) wake_thread(lock);
  } else if (!led_) {
    wake_thread(lock);
  }
  if (lock.owns_lock()) lock.unlock();
  // Past its deadline the request is in the queue or parked, where we may answer it, or aboard, where the leader does
  // so within a slice.
  for (Deadline until = deadline; !waiter.done.wait_until(until); until = util::Clock::now() + milliseconds{20}) {
    expire();
    shared_.parking.expire();
  }
}

// `mine` leads only until it has its answer, or its time is up; the lane's own thread until nothing is left to do.
void Lane::drive(const Waiter* mine, Deadline until) {
  while (flight_.is_flying() || flight_.take_off()) {
    flight_.step(mine != nullptr ? until : util::Clock::now() + kThreadPatience);
    if (mine != nullptr && (mine->done.is_set() || util::Clock::now() >= until)) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_ || util::stop_requested()) return;
  }
}

void Lane::lead_as_thread() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_ && !util::stop_requested()) {
    const Deadline now = util::Clock::now();
    if (led_ || (!flight_.is_flying() && !has_ready(now))) {
      // A queue that holds only what was put off is looked at again when the first of it is due.
      if (led_ || (queue_.empty() && later_.empty()))
        work_.wait(lock);
      else
        work_.wait_until(lock, next_due(now));
      continue;
    }
    led_ = true;
    lock.unlock();
    drive(nullptr, {});
    lock.lock();
    led_ = false;
  }
}

void Lane::admit(Deadline now) {
  while (!later_.empty() && later_.first()->not_before <= now) queue_.push_back(later_.pop_front());
}

bool Lane::has_ready(Deadline now) {
  admit(now);
  for (const Request* at = queue_.first(); at != nullptr; at = at->next)
    if (at->not_before <= now || at->deadline <= now) return true;
  return false;
}

Deadline Lane::next_due(Deadline now) const {
  Deadline due = later_.empty() ? now + kForever : later_.first()->not_before;
  for (const Request* at = queue_.first(); at != nullptr; at = at->next)
    due = std::min(due, at->not_before > now ? std::min(at->not_before, at->deadline) : at->deadline);
  return due;
}

void Lane::expire() {
  RequestList due;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Deadline now = util::Clock::now();
    queue_.extract_due(now, due);
    later_.extract_due(now, due);
  }
  answer_expired(due);
}

void Lane::hindered(const std::string& sale, const Error& error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (obstacles_.size() >= kObstaclesMax) obstacles_.clear();
  obstacles_[sale] = error;
}

void Lane::freed(const std::string& sale) {
  const std::lock_guard<std::mutex> lock(mutex_);
  obstacles_.erase(sale);
}

bool Lane::is_in_the_way(const std::string& sale) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (obstacles_.find(sale) == obstacles_.end()) return false;
  const Deadline now = util::Clock::now();
  std::size_t walked = 0;
  for (const Request* at = queue_.first(); at != nullptr && ++walked <= kBatchWalkMax; at = at->next)
    if (at->not_before <= now && at->sale() != sale) return true;
  return false;
}

void Lane::step_aside(const std::string& sale) {
  RequestList aside;
  const std::lock_guard<std::mutex> lock(mutex_);
  queue_.extract([&](const Request& at) { return at.sale() == sale ? Pick::take : Pick::leave; },
                 [&](Request* at) { aside.push_back(at); });
  queue_.append(aside);
}

/// What stood in the way of its sale last is what a person can act upon: a password, a certificate, a redirect.
Error Lane::overdue(const Request& request) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto obstacle = obstacles_.find(request.sale());
  if (obstacle == obstacles_.end())
    return {ErrorCode::timed_out, request.effect, "the deadline came before Redis could answer"};
  const auto code = obstacle->second.code == ErrorCode::refused ? ErrorCode::refused : ErrorCode::timed_out;
  return {code, request.effect, "the deadline came first: " + obstacle->second.detail};
}

void Lane::answer_expired(RequestList& due) {
  // The leader's lists are the leader's; whoever expires answers on its own.
  RequestList used;
  while (Request* request = due.pop_front()) {
    const Result<Answer> result = request->last_word(tl::unexpected<Error>(overdue(*request)));
    count(result);
    if (request->waiter != nullptr) {
      request->waiter->result = result;
      request->waiter->done.set();
    } else {
      const Event event = to_event(request->tag, result);
      request->queue->push(&event, 1);
    }
    shared_.waiting.fetch_sub(1, std::memory_order_relaxed);
    used.push_back(request);
  }
  if (!used.empty()) give_back(used);
}

bool Lane::has_copy_of(const Request& request) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const RequestList* list : {&queue_, &later_})
    for (const Request* at = list->first(); at != nullptr; at = at->next)
      if (at != &request && at->errand() == Errand::reserve && at->key() == request.key()) return true;
  return flight_.has_copy_of(request);
}

bool Lane::next_ready(Heading& heading) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const Deadline now = util::Clock::now();
  admit(now);
  for (const Request* at = queue_.first(); at != nullptr; at = at->next) {
    if (at->not_before > now && at->deadline > now) continue;
    heading.sale = at->sale();
    heading.errand = at->errand();
    heading.from_replica = at->from_replica;
    heading.waits_for_replicas = at->waits_for_replicas();
    heading.asks_view = at->asks_view;
    return true;
  }
  return false;
}

void Lane::board(std::vector<Request*>& aboard, const Heading& heading, milliseconds margin) {
  RequestList due;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const Deadline now = util::Clock::now();
    std::size_t walked = 0;
    core::BatchRoom room(shared_.options.batch_max);
    const bool keeps_order = shared_.options.lanes == 1;
    queue_.extract(
        [&](const Request& at) {
          if (++walked > kBatchWalkMax) return Pick::stop;
          // Too little time left for a round trip as slow as the slowest of late: better an honest `none` now.
          if (at.deadline <= now + margin) return Pick::take;
          if (at.not_before > now) return Pick::leave;
          if (!heading.fits(at)) return keeps_order && at.sale() == heading.sale ? Pick::stop : Pick::leave;
          return room.take(at.asked()) ? Pick::take : Pick::stop;
        },
        [&](Request* at) {
          if (at->deadline <= now + margin)
            due.push_back(at);
          else
            aboard.push_back(at);
        });
    crowded_ = aboard.size() > 2;
  }
  while (Request* request = due.pop_front())
    answer(request, fail(ErrorCode::timed_out, "too little time was left to ask Redis", request->effect));
}

void Lane::disembark(std::vector<Request*>& aboard) {
  const std::lock_guard<std::mutex> lock(mutex_);
  aboard.clear();
}

Request* Lane::disembark(Request*& place) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(place, nullptr);
}

void Lane::close_ranks(std::vector<Request*>& aboard) {
  const std::lock_guard<std::mutex> lock(mutex_);
  aboard.erase(std::remove(aboard.begin(), aboard.end(), nullptr), aboard.end());
}

void Lane::retreat(std::vector<Request*>& aboard) {
  const std::lock_guard<std::mutex> lock(mutex_);
  for (auto at = aboard.rbegin(); at != aboard.rend(); ++at)
    if (*at != nullptr) queue_.push_front(*at);
  aboard.clear();
}

void Lane::put_off(Request*& place, milliseconds time, bool checking) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Request* const request = std::exchange(place, nullptr);
  request->checking = checking;
  request->not_before = util::Clock::now() + time;
  queue_.push_back(request);
}

void Lane::answer(Request* request, const Result<Answer>& known) {
  const Result<Answer> answer = request->last_word(known);
  count(answer);
  deliver(request, answer);
}

void Lane::refuse(Request* request, const Answer& answer) {
  counters().refused_at_once(answer.outcome);
  deliver(request, answer);
}

void Lane::deliver(Request* request, const Result<Answer>& answer) {
  if (request->waiter != nullptr) {
    request->waiter->result = answer;
  } else {
    if (events_for_ != request->queue) {
      if (events_for_ != nullptr) events_for_->push(events_.data(), events_.size());
      events_.clear();
      events_for_ = request->queue;
    }
    events_.push_back(to_event(request->tag, answer));
  }
  answered_.push_back(request);
}

void Lane::flush() {
  if (answered_.empty()) return;
  shared_.waiting.fetch_sub(answered_.size(), std::memory_order_relaxed);
  for (Request* at = answered_.first(); at != nullptr; at = at->next) {
    if (at->waiter != nullptr) at->waiter->done.set();
  }
  // The nodes first: whoever drains the events may submit at once, and then finds them instead of making new ones.
  give_back(answered_);
  if (events_for_ != nullptr) events_for_->push(events_.data(), events_.size());
  events_.clear();
  events_for_.reset();
}

void Lane::stop() {
  std::thread thread;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    thread.swap(thread_);
  }
  work_.notify_all();
  if (thread.joinable()) thread.join();
  RequestList left;
  {
    std::unique_lock<std::mutex> lock(mutex_);
    work_.wait(lock, [this] { return !led_; });  // a caller that leads stops at its next step
    left.append(queue_);
    left.append(later_);
  }
  flight_.abandon(ErrorCode::closed, "the gate was closed");
  while (Request* request = left.pop_front()) {
    answer(request, fail(ErrorCode::closed, "the gate was closed", request->effect));
  }
  flush();
}

}  // namespace flashsale::engine
