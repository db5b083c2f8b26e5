#include "pump.hpp"

#include <algorithm>
#include <thread>
#include <vector>

#include "session.hpp"

namespace cli {

using namespace flashsale;

namespace {

constexpr std::size_t kChunk = 512;           // one batch
constexpr std::size_t kInFlightMax = 16'384;  // enough to keep every batch full, little enough to answer soon
constexpr milliseconds kPauseBeforeAgain{250};

class Pump {
 public:
  Pump(StockGate& gate, Crowd& crowd, milliseconds patience) : gate_(gate), crowd_(crowd), patience_(patience) {}

  void run() {
    while (true) {
      refill();
      if (waiting_.empty() && in_flight_ == 0) return;
      const bool sent = submit();
      hear(sent && in_flight_ < kInFlightMax && !crowd_ended_ ? milliseconds{0} : milliseconds{100});
    }
  }

 private:
  /// The next chunk: what must be asked again once all others were heard, so that trouble keeps the order; else what
  /// is new.
  void refill() {
    if (!waiting_.empty()) return;
    if (!again_.empty()) {
      if (in_flight_ > 0) return;
      std::this_thread::sleep_for(kPauseBeforeAgain);
      std::sort(again_.begin(), again_.end());
      for (const std::uint64_t tag : again_) waiting_.push_back(crowd_.again(tag));
      again_.clear();
      return;
    }
    while (!crowd_ended_ && waiting_.size() < kChunk && in_flight_ + waiting_.size() < kInFlightMax) {
      Call call;
      crowd_ended_ = !crowd_.next(call);
      if (!crowd_ended_) waiting_.push_back(call);
    }
  }

  /// Hands in what it can from the front; false if nothing was taken: all is full, or there was nothing.
  bool submit() {
    if (waiting_.empty()) return false;
    const std::size_t taken = need(gate_.submit(waiting_.data(), waiting_.size(), queue_));
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(taken));
    in_flight_ += taken;
    return taken > 0;
  }

  void hear(milliseconds wait) {
    const std::size_t count = queue_.drain(events_.data(), events_.size(), wait);
    for (std::size_t i = 0; i < count; ++i) {
      const Event& event = events_[i];
      --in_flight_;
      const auto now = Deadline::clock::now();
      const bool helps = !event.is_outcome() && Error{event.error(), event.effect, {}}.retryable();
      if (helps && now - last_heard_ < patience_) {
        again_.push_back(event.tag);
        continue;
      }
      if (!helps) last_heard_ = now;
      crowd_.hear(event);
    }
  }

  StockGate& gate_;
  Crowd& crowd_;
  const milliseconds patience_;
  CompletionQueue queue_{kInFlightMax + kChunk};
  std::vector<Event> events_ = std::vector<Event>(4096);
  std::vector<Call> waiting_;         // not accepted yet
  std::vector<std::uint64_t> again_;  // tags to be asked again
  std::size_t in_flight_ = 0;
  bool crowd_ended_ = false;
  Deadline last_heard_ = Deadline::clock::now();
};

}  // namespace

void pump(StockGate& gate, Crowd& crowd, milliseconds patience) { Pump(gate, crowd, patience).run(); }

}  // namespace cli
