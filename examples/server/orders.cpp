#include "orders.hpp"

#include <array>
#include <chrono>
#include <mutex>

#include "problem.hpp"

namespace server {

using flashsale::Verb;
using Clock = std::chrono::steady_clock;

namespace {

/// confirm answers once the database has it, which takes a worker's round and an fsync more than a reservation.
constexpr flashsale::milliseconds kConfirmTimeout{2'000};
constexpr flashsale::milliseconds kDrainWait{1'000};

}  // namespace

/// A held exchange, from submit to its event. Its address is the call's tag.
struct Orders::Waiting {
  Exchange& exchange;
  Asked asked;
  Clock::time_point since;
};

Orders::Orders(std::unique_ptr<flashsale::StockGate> gate, Funnel& funnel)
    : funnel_(funnel), gate_(std::move(gate)), thread_([this] { drain(); }) {}

void Orders::ask(Exchange& exchange, Asked asked) {
  auto waiting = std::make_unique<Waiting>(Waiting{exchange, std::move(asked), Clock::now()});
  flashsale::Call call;
  call.sale = flashsale::SaleId{waiting->asked.sale};
  call.buyer = flashsale::BuyerId{waiting->asked.buyer};
  call.request = flashsale::RequestId{waiting->asked.request};
  call.item = flashsale::ItemId{waiting->asked.item};
  call.quantity = waiting->asked.quantity;
  call.verb = waiting->asked.verb;
  if (call.verb == Verb::confirm) call.timeout = kConfirmTimeout;
  call.tag = reinterpret_cast<std::uintptr_t>(waiting.get());

  const std::shared_lock<std::shared_mutex> lock(mutex_);
  if (!gate_) return exchange.answer(to_response(flashsale::Error{flashsale::ErrorCode::closed, {}, "shutting down"}));
  exchange.hold();
  const auto accepted = gate_->submit(&call, 1, queue_);
  if (accepted && *accepted == 1) {
    static_cast<void>(waiting.release());  // the event's now
  } else {
    exchange.answer(to_response(accepted ? flashsale::Error{flashsale::ErrorCode::busy, {}, "too many requests wait"}
                                         : accepted.error()));
  }
}

void Orders::drain() {
  std::array<flashsale::Event, 256> events;
  for (;;) {
    const auto count = queue_.drain(events.data(), events.size(), kDrainWait);
    for (std::size_t i = 0; i < count; ++i) {
      const std::unique_ptr<Waiting> waiting(reinterpret_cast<Waiting*>(events[i].tag));
      const Asked& asked = waiting->asked;
      if (asked.verb == Verb::reserve) {
        Funnel::count(funnel_.answered);
        if (events[i].code == static_cast<std::int32_t>(flashsale::Outcome::reserved)) {
          funnel_.sales.add(asked.sale, events[i].order().at);
          Funnel::count(funnel_.won);
        }
        funnel_.times.record(
            std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - waiting->since).count());
      }
      waiting->exchange.answer(to_response(asked.verb, events[i], asked.sale, asked.request));
    }
    if (count > 0) continue;
    const std::shared_lock<std::shared_mutex> lock(mutex_);
    if (!gate_ && queue_.outstanding() == 0) return;
  }
}

void Orders::close() {
  {
    const std::unique_lock<std::shared_mutex> lock(mutex_);
    gate_.reset();
  }
  queue_.wake();
  if (thread_.joinable()) thread_.join();
}

}  // namespace server
