/// A gate's lane, driven step by step on the simulation's one thread: the real queue, flight, codec and scripts.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "engine/lane.hpp"
#include "simulation/network.hpp"
#include "util/deadline.hpp"
#include "util/random.hpp"

namespace flashsale::engine {

/// A gate's receipt keeper, whose thread is whoever lets time pass.
class KeeperUnderTest {
 public:
  explicit KeeperUnderTest(ReceiptKeeper& keeper) : keeper_(keeper) {
    keeper_.name_ = util::random_hex(16);
    keeper_.watched_ = true;
  }
  /// Does what is due by now.
  void tend() {
    std::unique_lock<std::mutex> lock(keeper_.mutex_);
    while (keeper_.look_at_next(lock) == Deadline{}) continue;
  }
  /// What becomes of it when its process is killed.
  void forget() {
    const std::lock_guard<std::mutex> lock(keeper_.mutex_);
    keeper_.sales_.clear();
  }

 private:
  ReceiptKeeper& keeper_;
};

/// The calling thread leads the lane always; no thread of the lane's own is ever started.
class LaneUnderTest {
 public:
  /// `sink`: where the gate's receipts go; nullptr: it keeps none. `its_number` is one of no other gate.
  LaneUnderTest(simulation::Network& network, std::shared_ptr<ConnectionPool> pool, std::shared_ptr<OrderSink> sink,
                std::size_t its_number)
      : number(its_number), network_(network), shared_(make_shared(std::move(pool), std::move(sink))), lane_(*shared_) {
    if (shared_->receipts) keeper_.emplace(*shared_->receipts);
    shared_->outstanding_elsewhere = [this](const Request& request) { return lane_.has_copy_of(request); };
    lane_.led_ = true;
  }
  ~LaneUnderTest() { lane_.led_ = false; }
  LaneUnderTest(const LaneUnderTest&) = delete;
  LaneUnderTest& operator=(const LaneUnderTest&) = delete;

  bool keeps_receipts() const { return keeper_.has_value(); }
  void tend_receipts() {
    if (keeper_) keeper_->tend();
  }
  /// The process is killed; else it is closed when the object goes.
  void be_killed() {
    if (keeper_) keeper_->forget();
  }

  const std::size_t number;

  /// Hands the calls in together and leads until each has its answer.
  std::vector<Result<Answer>> ask(const std::vector<Call>& calls) {
    std::vector<std::unique_ptr<Waiter>> waiters;
    RequestList nodes, filled;
    lane_.borrow(nodes, calls.size());
    for (const Call& call : calls) {
      Request* const request = nodes.pop_front();
      request->fill(call, Level::primary, util::Clock::now() + call.timeout);
      waiters.push_back(std::make_unique<Waiter>());
      request->waiter = waiters.back().get();
      filled.push_back(request);
    }
    shared_->waiting += calls.size();
    lane_.enqueue(filled);
    while (!are_answered(waiters)) step();
    std::vector<Result<Answer>> answers;
    for (auto& waiter : waiters) answers.push_back(std::move(waiter->result));
    return answers;
  }

 private:
  // What a gate knows by itself it tells before a lane hears of it: not here.
  static std::unique_ptr<LaneShared> make_shared(std::shared_ptr<ConnectionPool> pool,
                                                 std::shared_ptr<OrderSink> sink) {
    GateOptions options;
    options.view = false;
    return std::make_unique<LaneShared>(std::move(pool), options, std::move(sink));
  }

  static bool are_answered(const std::vector<std::unique_ptr<Waiter>>& waiters) {
    for (const auto& waiter : waiters)
      if (!waiter->done.is_set()) return false;
    return true;
  }

  void step() {
    lane_.expire();
    if (lane_.flight_.is_flying() || lane_.flight_.take_off()) {
      lane_.flight_.step(network_.now() + milliseconds(50));
      network_.pass(milliseconds(0));
    } else {
      network_.pass(milliseconds(1));
    }
  }

  simulation::Network& network_;
  std::unique_ptr<LaneShared> shared_;
  Lane lane_;
  std::optional<KeeperUnderTest> keeper_;
};

}  // namespace flashsale::engine
