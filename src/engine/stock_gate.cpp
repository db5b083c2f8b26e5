#include "flashsale/stock_gate.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "core/checks.hpp"
#include "engine/completion_queue_state.hpp"
#include "engine/control_guard.hpp"
#include "engine/counters.hpp"
#include "engine/lane.hpp"
#include "util/deadline.hpp"
#include "util/fork_guard.hpp"
#include "util/thread.hpp"

namespace flashsale {
namespace {

constexpr milliseconds kExpireEvery{10};
// Left, for a call to wait for a common moment and then for a look for the filter, and yet to have more time than a
// lane may want for a round trip.
constexpr milliseconds kTimeToWait{8 * core::kCommonMoments};

GateOptions bounded(GateOptions options) {
  options.timeout = std::clamp(options.timeout, milliseconds{1}, kTimeoutMax);
  options.payload_bytes_max = std::min(options.payload_bytes_max, kPayloadBytesMax);
  options.lanes = std::clamp<std::size_t>(options.lanes, 1, 16);
  options.batch_max = std::clamp<std::size_t>(options.batch_max, 1, 512);
  options.waiting_max = std::clamp<std::size_t>(options.waiting_max, 1, 1'048'576);
  options.receipts_max = std::clamp<std::size_t>(options.receipts_max, 1, 1'048'576);
  if (options.level < Level::usual || options.level > Level::database) options.level = Level::usual;
  return options;
}

}  // namespace

/// Events of calls that were answered at once, handed to the queue some at a time.
class EarlyEvents {
 public:
  EarlyEvents(CompletionQueue::State& queue, std::atomic<std::size_t>& waiting) : queue_(queue), waiting_(waiting) {}
  ~EarlyEvents() { flush(); }
  EarlyEvents(const EarlyEvents&) = delete;
  EarlyEvents& operator=(const EarlyEvents&) = delete;

  void add(const Event& event) {
    events_[count_++] = event;
    if (count_ == events_.size()) flush();
  }

 private:
  void flush() {
    queue_.push(events_.data(), count_);
    waiting_.fetch_sub(count_, std::memory_order_relaxed);
    count_ = 0;
  }

  CompletionQueue::State& queue_;
  std::atomic<std::size_t>& waiting_;
  std::array<Event, 64> events_;
  std::size_t count_ = 0;
};

/// Requests on their way into a lane: nodes are borrowed together, and handed over together.
class Boarding {
 public:
  explicit Boarding(engine::Lane& lane) : lane_(lane) {}

  /// A node for the caller to fill; `left`: how many more may be wanted, this one included.
  engine::Request* next(std::size_t left) {
    if (nodes_.empty()) lane_.borrow(nodes_, left);
    return nodes_.pop_front();
  }
  void add(engine::Request* filled) { (filled->asks_view ? later_ : now_).push_back(filled); }
  void hand_over() {
    if (!nodes_.empty()) lane_.give_back(nodes_);
    if (!now_.empty()) lane_.enqueue(now_);
    if (!later_.empty()) lane_.enqueue_later(later_);
  }

 private:
  engine::Lane& lane_;
  engine::RequestList nodes_, now_, later_;
};

/// The gate behind its constructor: nothing of it runs before the first call.
class StockGate::Body {
 public:
  Body(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, GateOptions options)
      : shared_(std::move(pool), bounded(options), std::move(sink)) {
    shared_.outstanding_elsewhere = [this](const engine::Request& request) {
      return shared_.parking.has_copy_of(request) ||
             std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& lane) { return lane->has_copy_of(request); });
    };
    for (std::size_t i = 0; i < shared_.options.lanes; ++i) lanes_.push_back(std::make_unique<engine::Lane>(shared_));
  }

  ~Body() {
    shared_.stop.request();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_usher_.notify_all();
    if (usher_.joinable()) usher_.join();
    shared_.parking.stop();  // what it gives back is answered by its lane
    for (auto& lane : lanes_) lane->stop();
    if (shared_.receipts) shared_.receipts->stop();
  }

  /// A gate that was used before a fork is the parent's: in the child it must neither be used nor joined.
  bool is_foreign() {
    const auto now = util::fork_generation();
    if (generation_.load(std::memory_order_relaxed) == now) return false;  // as ever: nothing is written for a call
    std::uint32_t unused = 0;
    return !generation_.compare_exchange_strong(unused, now) && unused != now;
  }
  bool was_forked() const {
    const auto used = generation_.load();
    return used != 0 && used != util::fork_generation();
  }

  /// What to do about a call, by what is known of its item; `answer` and `ask_at` as in ViewKeeper::advise.
  core::Advice advise(const Call& call, Answer& answer, Deadline& ask_at) noexcept;
  Result<Answer> call(const Call& call, Deadline ask_at = {});
  Result<std::size_t> submit(const Call* calls, std::size_t count, CompletionQueue& queue);

 private:
  std::optional<Error> refuse(const Call& call) const;
  milliseconds timeout_of(const Call& call) const {
    return call.timeout == milliseconds{0} ? shared_.options.timeout : call.timeout;
  }
  engine::Lane& lane_for_caller();
  void hand_in(const Call* calls, std::size_t count, const std::shared_ptr<CompletionQueue::State>& queue);
  void need_usher();
  void usher();

  engine::LaneShared shared_;
  std::vector<std::unique_ptr<engine::Lane>> lanes_;
  std::atomic<std::size_t> turn_{0};
  std::atomic<std::uint32_t> generation_{0};  // fork generation of the first use

  // The usher answers what expires in a queue whose leader is busy connecting. It ticks while calls come, else sleeps.
  std::mutex mutex_;
  std::condition_variable wake_usher_;
  std::thread usher_;      // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::atomic<bool> asleep_{true};
};

std::optional<Error> StockGate::Body::refuse(const Call& call) const {
  std::optional<Error> error;
  if (!core::is_well_formed(call, shared_.options.payload_bytes_max)) {
    auto defect = core::check_call(call, shared_.options.payload_bytes_max);
    error.emplace(
        Error{ErrorCode::invalid_argument, Effect::none, defect ? std::move(*defect) : "the call is malformed"});
  }
  if (error) engine::counters().failed(error->code, error->effect);
  return error;
}

// Of what the view advises to refuse, sale and item are known, so they need not be checked. One lane keeps the order,
// so nobody waits there; nor does who has little time.
core::Advice StockGate::Body::advise(const Call& call, Answer& answer, Deadline& ask_at) noexcept {
  if (call.verb != Verb::reserve || !shared_.options.view || is_foreign() ||
      !core::is_well_formed_but_for_names(call, shared_.options.payload_bytes_max))
    return core::Advice::ask;
  const core::Advice advice = shared_.view.advise(call, answer, ask_at);
  if (advice == core::Advice::refuse) engine::counters().refused_at_once(answer.outcome);
  if (advice == core::Advice::wait && (lanes_.size() == 1 || timeout_of(call) < kTimeToWait)) ask_at = {};
  return advice;
}

engine::Lane& StockGate::Body::lane_for_caller() {
  for (auto& lane : lanes_)
    if (lane->is_idle()) return *lane;
  return *lanes_[turn_.fetch_add(1, std::memory_order_relaxed) % lanes_.size()];
}

Result<Answer> StockGate::Body::call(const Call& call, Deadline ask_at) {
  if (is_foreign()) return fail(ErrorCode::forked, "the gate was used before the fork");
  if (auto error = refuse(call)) return tl::unexpected<Error>(std::move(*error));
  if (shared_.waiting.fetch_add(1, std::memory_order_relaxed) >= shared_.options.waiting_max) {
    shared_.waiting.fetch_sub(1, std::memory_order_relaxed);
    engine::counters().failed(ErrorCode::busy, Effect::none);
    return fail(ErrorCode::busy, "waiting_max requests are waiting already");
  }
  engine::Lane& lane = ask_at == Deadline{} ? lane_for_caller() : *lanes_.front();
  engine::RequestList node;
  lane.borrow(node, 1);
  engine::Request* const request = node.pop_front();
  engine::Waiter waiter;
  request->fill(call, shared_.options.level, util::Clock::now() + timeout_of(call));
  if (ask_at != Deadline{}) request->wait_for_view(ask_at);
  request->waiter = &waiter;
  lane.call(request);
  return std::move(waiter.result);
}

Result<std::size_t> StockGate::Body::submit(const Call* calls, std::size_t count, CompletionQueue& queue) {
  if (is_foreign()) return fail(ErrorCode::forked, "the gate was used before the fork");
  // Added before it is judged, so that no two threads take the same room.
  const auto before = shared_.waiting.fetch_add(count);
  const auto room = shared_.options.waiting_max > before ? shared_.options.waiting_max - before : 0;
  const auto granted = queue.state()->reserve(std::min(count, room));
  shared_.waiting.fetch_sub(count - granted);
  need_usher();
  // Whole batches go to the lanes in turn. One lane alone keeps the order.
  const auto chunk = shared_.options.batch_max;
  for (std::size_t from = 0; from < granted; from += chunk)
    hand_in(calls + from, std::min(chunk, granted - from), queue.state());
  return granted;
}

void StockGate::Body::hand_in(const Call* calls, std::size_t count,
                              const std::shared_ptr<CompletionQueue::State>& queue) {
  Boarding boarding(*lanes_[turn_.fetch_add(1, std::memory_order_relaxed) % lanes_.size()]);
  Boarding waiting(*lanes_.front());  // all of them in one lane, so that they share a batch
  EarlyEvents early(*queue, shared_.waiting);
  const Deadline now = util::Clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    const Call& call = calls[i];
    Answer answer;
    Deadline ask_at{};
    if (advise(call, answer, ask_at) == core::Advice::refuse) {
      early.add(engine::to_event(call.tag, answer));
      continue;
    }
    if (auto error = refuse(call)) {
      early.add(engine::to_event(call.tag, tl::unexpected<Error>(std::move(*error))));
      continue;
    }
    Boarding& lane = ask_at != Deadline{} ? waiting : boarding;
    engine::Request* const request = lane.next(count - i);
    request->fill(call, shared_.options.level, now + timeout_of(call));
    if (ask_at != Deadline{}) request->wait_for_view(ask_at);
    request->queue = queue;
    lane.add(request);
  }
  boarding.hand_over();
  waiting.hand_over();
}

// Who submits adds to `waiting` and then reads `asleep_`; the usher sets `asleep_` and then reads `waiting`: one of the
// two sees the other.
void StockGate::Body::need_usher() {
  if (!asleep_.load()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    asleep_.store(false, std::memory_order_relaxed);
    if (!usher_.joinable() && !stopping_) {
      try {
        usher_ = util::start_thread("flashsale-usher", [this] { usher(); });
      } catch (const std::system_error&) {
        asleep_.store(true, std::memory_order_relaxed);  // lanes still answer; only a stuck connect is not watched
      }
    }
  }
  wake_usher_.notify_one();
}

void StockGate::Body::usher() {
  std::unique_lock<std::mutex> lock(mutex_);
  int quiet = 0;
  while (!stopping_) {
    if (shared_.waiting.load(std::memory_order_relaxed) > 0) quiet = 0;
    if (++quiet > 100) {
      asleep_.store(true);
      wake_usher_.wait(lock, [this] { return stopping_ || !asleep_.load() || shared_.waiting.load() > 0; });
      asleep_.store(false);
      quiet = 0;
      continue;
    }
    wake_usher_.wait_for(lock, kExpireEvery);
    lock.unlock();
    for (auto& lane : lanes_) lane->expire();
    shared_.parking.expire();
    lock.lock();
  }
}

StockGate::StockGate(std::shared_ptr<ConnectionPool> pool, GateOptions options)
    : body_(std::make_unique<Body>(std::move(pool), nullptr, options)) {}

StockGate::StockGate(std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink, GateOptions options)
    : body_(std::make_unique<Body>(std::move(pool), std::move(sink), options)) {}

StockGate::~StockGate() {
  // The threads are the parent's; joining them would hang, and ending their handles would abort. So the child leaks.
  if (body_->was_forked()) static_cast<void>(body_.release());
}

namespace {

Call as_reserve(Call call) {
  call.verb = Verb::reserve;
  return call;
}

}  // namespace

Result<Answer> StockGate::reserve(const Call& call) {
  Result<Answer> answer;  // filled in place where Redis need not be asked
  Deadline ask_at{};
  if (call.verb != Verb::reserve) {
    answer = reserve(as_reserve(call));
  } else if (body_->advise(call, *answer, ask_at) != core::Advice::refuse) {
    answer = engine::guarded([&] { return body_->call(call, ask_at); });
  }
  return answer;
}

namespace {

Call about(const OrderKey& order, CallOptions options, Verb verb) {
  Call call;
  call.sale = order.sale;
  call.buyer = order.buyer;
  call.request = order.request;
  call.timeout = options.timeout;
  call.level = options.level;
  call.verb = verb;
  return call;
}

}  // namespace

Result<Answer> StockGate::confirm(const OrderKey& order, CallOptions options) {
  return engine::guarded([&] { return body_->call(about(order, options, Verb::confirm)); });
}

Result<Answer> StockGate::release(const OrderKey& order, CallOptions options) {
  return engine::guarded([&] { return body_->call(about(order, options, Verb::release)); });
}

Result<Answer> StockGate::resolve(const OrderKey& order, CallOptions options) {
  return engine::guarded([&] { return body_->call(about(order, options, Verb::resolve)); });
}

Result<Answer> StockGate::status(const OrderKey& order, CallOptions options) {
  return engine::guarded([&] { return body_->call(about(order, options, Verb::status)); });
}

Result<std::size_t> StockGate::submit(const Call* calls, std::size_t count, CompletionQueue& queue) {
  return engine::guarded([&] { return body_->submit(calls, count, queue); });
}

}  // namespace flashsale
