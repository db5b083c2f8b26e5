/// A gate's lane, driven step by step on the simulation's one thread: the real queue, flight, codec and scripts.
#pragma once

#include <memory>
#include <vector>

#include "engine/lane.hpp"
#include "simulation/network.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {

/// The calling thread leads the lane always; no thread of the lane's own is ever started.
class LaneUnderTest {
 public:
  LaneUnderTest(simulation::Network& network, std::shared_ptr<ConnectionPool> pool)
      : network_(network), shared_(make_shared(std::move(pool))), lane_(*shared_) {
    shared_->outstanding_elsewhere = [this](const Request& request) { return lane_.has_copy_of(request); };
    lane_.led_ = true;
  }
  ~LaneUnderTest() { lane_.led_ = false; }
  LaneUnderTest(const LaneUnderTest&) = delete;
  LaneUnderTest& operator=(const LaneUnderTest&) = delete;

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
  static std::unique_ptr<LaneShared> make_shared(std::shared_ptr<ConnectionPool> pool) {
    GateOptions options;
    options.view = false;
    return std::make_unique<LaneShared>(std::move(pool), options);
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
};

}  // namespace flashsale::engine
