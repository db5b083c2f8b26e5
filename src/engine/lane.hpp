/// A lane: a queue of requests, and one flight at a time that carries a batch of them to Redis and back.
///
/// Whoever finds the lane idle leads it: a lone blocking caller runs its own batch and pays for no thread hand-off;
/// when it has its answer and others wait, the lane's own thread takes over. The flight lives in the lane, not on a
/// stack, so leadership may change hands between any two of its steps.
///
///     enqueue --> queue --board--> flight --land--> answered
///                   ^                |
///                   +---- retreat ---+   (nobody answered: sent again later, in the old order)
///
///     enqueue_later --> later --at a common moment--> queue   (whom the view may answer by then: core::Advice::wait)
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/flight.hpp"
#include "engine/parking.hpp"
#include "engine/receipt_keeper.hpp"
#include "engine/request.hpp"
#include "engine/seen_sales.hpp"
#include "engine/unsettled.hpp"
#include "engine/view_keeper.hpp"
#include "flashsale/connection_pool.hpp"
#include "flashsale/options.hpp"
#include "util/stop.hpp"

namespace flashsale::engine {

/// What the lanes of one gate share.
struct LaneShared {
  LaneShared(std::shared_ptr<ConnectionPool> its_pool, const GateOptions& its_options,
             std::shared_ptr<OrderSink> sink = nullptr)
      : pool(std::move(its_pool)),
        options(its_options),
        parking(pool, stop),
        receipts(sink == nullptr ? nullptr : std::make_unique<ReceiptKeeper>(std::move(sink), options.receipts_max)) {}

  util::StopSource stop;  ///< of all threads of the gate
  const std::shared_ptr<ConnectionPool> pool;
  const GateOptions options;
  Parking parking;
  const std::unique_ptr<ReceiptKeeper> receipts;  ///< nullptr: the gate was given no sink
  Unsettled unsettled;
  SeenSales seen;
  ViewKeeper view;
  std::atomic<std::size_t> waiting{0};                        ///< requests accepted and not answered
  std::function<bool(const Request&)> outstanding_elsewhere;  ///< another copy of it waits or flies in some lane
};

class Lane {
 public:
  explicit Lane(LaneShared& shared) : shared_(shared), flight_(shared, *this) {}
  ~Lane() { stop(); }

  /// Nodes to fill, from those that were used before. Any thread.
  void borrow(RequestList& nodes, std::size_t count);
  void give_back(RequestList& nodes);

  /// Takes requests over; the lane answers each exactly once. Any thread.
  void enqueue(RequestList& requests);
  /// The same for those who wait for the view. Any thread.
  void enqueue_later(RequestList& requests);
  /// One request of a blocking caller, which leads the lane if it is idle. Returns once it is answered.
  void call(Request* request);
  /// True if nobody leads and nothing waits.
  bool is_idle() const;

  /// Answers what waits past its deadline. For when the leader is stuck in a connect.
  void expire();
  /// Answers requests in nobody's hands whose deadline has come. Any thread.
  void answer_expired(RequestList& due);
  /// True if a request with the same key, other than `request` itself, waits or flies here.
  bool has_copy_of(const Request& request) const;
  /// Answers everything with `closed` and ends the thread. Idempotent.
  void stop();

  // For the flight, by the leader only.

  /// Where the first request that is ready wants to go; false: there is none.
  bool next_ready(Heading& heading);
  /// Moves up to a batch of ready requests that go there into `aboard`.
  void board(std::vector<Request*>& aboard, const Heading& heading, milliseconds margin);
  /// Takes everybody off board.
  void disembark(std::vector<Request*>& aboard);
  /// Takes one off board, leaving a nullptr in its place.
  Request* disembark(Request*& place);
  /// Closes the gaps that others left.
  void close_ranks(std::vector<Request*>& aboard);
  /// @{ Notes what stands in the way of `sale`, for whoever waits past its deadline; that nothing does any more.
  void hindered(const std::string& sale, const Error& error);
  void freed(const std::string& sale);
  /// @}
  /// True if the sale was hindered last, while requests of others are ready: it must not hold those up.
  bool is_in_the_way(const std::string& sale) const;
  /// Puts all requests of `sale` behind the others, in their order.
  void step_aside(const std::string& sale);
  /// Puts requests back at the front of the queue, in their order.
  void retreat(std::vector<Request*>& aboard);
  /// @{ Takes one off board, leaving a nullptr in its place, and puts it at the end of the queue, for `time`: whoever
  /// asks for copies of it sees it in the one place or in the other. `checking`: what it is to be from then on.
  void put_off(Request*& place, milliseconds time, bool checking);
  void put_off(Request*& place, milliseconds time) { put_off(place, time, place->checking); }
  /// @}
  /// Answers a request; `flush` makes it known.
  void answer(Request* request, const Result<Answer>& answer);
  /// The same for one that Redis need not be asked about.
  void refuse(Request* request, const Answer& answer);
  void flush();

 private:
  friend class LaneUnderTest;  // tests/simulation leads a lane step by step

  Error overdue(const Request& request) const;
  void drive(const Waiter* mine, Deadline until);
  void lead_as_thread();
  void wake_thread(std::unique_lock<std::mutex>& lock);
  void deliver(Request* request, const Result<Answer>& answer);
  void admit(Deadline now);
  Deadline next_due(Deadline now) const;
  bool has_ready(Deadline now);

  LaneShared& shared_;

  mutable std::mutex mutex_;
  std::condition_variable work_;
  RequestList queue_;                                    // guarded by mutex_
  RequestList later_;                                    // guarded by mutex_: about by their `not_before`
  RequestList spare_;                                    // guarded by mutex_: nodes to use again
  std::vector<std::unique_ptr<Request>> nodes_;          // guarded by mutex_: owns every node of this lane
  bool led_ = false;                                     // guarded by mutex_
  bool stopping_ = false;                                // guarded by mutex_
  std::map<std::string, Error, std::less<>> obstacles_;  // guarded by mutex_: by sale
  bool crowded_ = false;  // guarded by mutex_: recent batches had company, so callers leave leading to the thread
  std::thread thread_;    // guarded by mutex_ until stop

  // Of the leader.
  Flight flight_;
  RequestList answered_;
  std::vector<Event> events_;
  std::shared_ptr<CompletionQueue::State> events_for_;
};

}  // namespace flashsale::engine
