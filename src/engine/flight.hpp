/// One batch on its way to Redis and back: performs the steps that core::CallFlow decides.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/call_flow.hpp"
#include "core/reserve_codec.hpp"
#include "engine/request.hpp"
#include "flashsale/connection_pool.hpp"
#include "util/random.hpp"

namespace flashsale::engine {

class Lane;
struct LaneShared;

/// What the replicas had behind a batch.
struct Acknowledged {
  std::string history;                   ///< the primary's
  std::uint64_t written = 0;             ///< how far its writes went once all that the batch saw was among them
  std::optional<std::uint64_t> reached;  ///< up to where as many replicas as are wanted have them; too few: nothing
};

/// Used by one thread at a time, the lane's leader. Between two calls of `step` the leader may change.
class Flight {
 public:
  Flight(LaneShared& shared, Lane& lane) : shared_(shared), lane_(lane) {}

  /// True between taking off and landing.
  bool is_flying() const { return flying_; }
  /// Takes off if anything in the lane is ready; false: nothing is.
  bool take_off();
  /// Performs one step; blocks for one round trip, one connect or one pause at most, and for the last two not past
  /// `patience`.
  void step(Deadline patience);
  /// True if a request with the same key, other than `request` itself, is aboard. The caller holds the lane's lock,
  /// under which requests board and leave.
  bool has_copy_of(const Request& request) const;
  /// Ends the flight: what is aboard is answered with `code`, truthfully about its effect.
  void abandon(ErrorCode code, std::string_view detail);

 private:
  static constexpr milliseconds kPutOff{5};  // before an open question is asked again

  core::Step lease(Deadline patience);
  core::Step send();
  core::Step load();
  core::Step await();
  void pause(Deadline patience);
  void land();

  void board();
  void answer_known();
  void defer_open_questions();
  void drop_due(milliseconds margin);
  void drop_unsupported();
  core::Step prepare(bool& ready);
  bool is_current(core::SaleTerms& terms) const;
  core::Step read_terms();
  core::Step ask(std::string_view key, const Command& command, Reply& reply);
  core::Step count_replicas(bool& ready);
  core::Step load_mark(bool& ready);
  std::vector<Command> with_wait(const std::vector<Command>& batch);
  core::Step heed(RoundTrip trip);
  bool moves() const { return heading_.errand == Errand::confirm || heading_.errand == Errand::release; }
  void mark_unknown();
  void mark_unknown(Request& request);
  bool has_failed_unknown() const { return step_ == core::Step::fail && flow_.error().effect == Effect::unknown; }
  std::string_view script() const;
  const std::vector<Command>& encode();
  Deadline slice() const;
  Deadline earliest() const;
  milliseconds margin() const;

  void settle();
  Result<core::BatchReply> read_reply(const core::SaleTerms& terms) const;
  void settle_each(const core::BatchReply& reply);
  std::optional<std::string_view> marked(Position at);
  std::optional<Acknowledged> read_acknowledged(Position at);
  Level wanted(const Request& request) const;
  void note_mark(Request& request, bool is_unchanged);
  void conclude(Request*& place, Result<Answer> answer, Position at);
  void hold_back(Request*& place, const Answer& answer, Position at);
  Result<Answer> answer_to(const core::BatchReply& reply, std::size_t index, std::size_t& found) const;
  void settle_refused();
  void settle_failed();
  void answer_all(const Result<Answer>& answer);
  void answer_fenced();
  core::Step left_behind();
  bool is_open(const Request& request, const Result<Answer>& answer, std::int64_t now_ms) const;

  LaneShared& shared_;
  Lane& lane_;

  bool flying_ = false;
  core::CallFlow flow_;
  core::Step step_ = core::Step::lease;
  Lease lease_;
  Heading heading_;
  bool looking_ = false;          // look.lua, since nothing else is asked, or since Redis refuses writes
  std::vector<Request*> aboard_;  // a request answered early leaves a nullptr: its index is taken
  std::vector<core::Asked> asked_;
  std::vector<std::size_t> item_of_;  // per request: its item's index in the terms
  bool loading_ = false;              // the reply owed is SCRIPT LOAD's, not the batch's
  bool fresh_terms_ = false;          // read on this flight
  std::int64_t not_after_ms_ = 0;
  std::string nonce_;
  std::vector<Reply> replies_;  // of the step under way: the batch's first
  // Of level `replicas`:
  std::size_t replicas_waited_for_ = 0;
  std::string wait_count_, wait_ms_;
  std::optional<Acknowledged> acknowledged_;  // behind the batch; nothing: it is not known
  bool mark_is_missing_ = false;              // a node did not know mark.lua
  int failures_ = 0;                          // in a row, over flights
  std::map<std::string, core::SaleTerms, std::less<>> terms_;
  std::string replication_;  // what INFO said at the last `ask`
  std::string refusal_;      // Redis' words for why it refuses writes
  util::Random random_;
  core::BatchEncoder encoder_;
  std::chrono::steady_clock::time_point sent_at_{};
  milliseconds slowest_{0};  // recent round trip
  std::chrono::steady_clock::time_point slowest_at_{};
};

}  // namespace flashsale::engine
