// What a batch came to: each request of it is answered, held back for its level, or put off to be asked again.
#include <algorithm>

#include "core/error_reply.hpp"
#include "core/numbers.hpp"
#include "core/read_codec.hpp"
#include "core/sale_meta.hpp"
#include "engine/counters.hpp"
#include "engine/flight.hpp"
#include "engine/lane.hpp"
#include "engine/node_clock.hpp"
#include "engine/script_runner.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {
namespace {

constexpr milliseconds kFencedRetry{1000};   // what a reconcile takes, about
constexpr milliseconds kFilterPatience{50};  // everybody was answered; only the lane waits

/// True for what Redis does not remember: a copy of the request may still be judged otherwise.
bool is_refusal(const Result<Answer>& answer) {
  return answer && (answer->outcome >= Outcome::not_started || answer->outcome == Outcome::not_reserved);
}

/// True for what a replica may not say: a refusal; and an expiry, which the clock told it while it has not heard yet
/// that the order was confirmed in time.
bool is_for_primary(const Result<Answer>& answer) {
  return is_refusal(answer) || (answer && answer->outcome == Outcome::expired);
}

}  // namespace

void Flight::answer_fenced() {
  Answer answer;
  answer.outcome = Outcome::paused;
  answer.reason = PauseReason::fenced;
  answer.retry_after_ms = kFencedRetry.count();
  answer_all(answer);
}

/// What follows where the node says, in whatever way, that it decides nothing any more.
core::Step Flight::left_behind() { return flow_.replied(core::no_primary()); }

void Flight::answer_all(const Result<Answer>& answer) {
  if (shared_.receipts && answer && answer->reason == PauseReason::fenced)
    shared_.receipts->heard_fenced(heading_.sale);
  const std::int64_t now_ms = util::steady_ms() + lease_->clock.ahead_ms;
  for (Request*& place : aboard_) {
    if (place == nullptr) continue;
    if (is_open(*place, answer, now_ms))
      lane_.put_off(place, kPutOff);
    else
      lane_.answer(place, answer ? answer : fail(answer.error().code, answer.error().detail, place->effect));
  }
  lane_.disembark(aboard_);
}

// After a copy without an answer, a refusal says nothing until that copy can no longer win; and `fenced` not even then,
// since the sale was not looked into: the copy may have won on a node that this one knows nothing of.
bool Flight::is_open(const Request& request, const Result<Answer>& answer, std::int64_t now_ms) const {
  if (!is_refusal(answer)) return false;
  if (request.effect == Effect::unknown && answer->reason == PauseReason::fenced) return true;
  if (request.verb == Verb::reserve) return request.unknown_until_ms >= now_ms;
  return request.verb != Verb::status && shared_.unsettled.until_ms(request.key()) >= now_ms;
}

void Flight::settle() {
  const core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  auto reply = read_reply(terms);
  if (!reply) {
    mark_unknown();
    step_ = flow_.stopped({ErrorCode::disconnected, Effect::unknown, std::move(reply.error().detail)});
    return;
  }
  failures_ = 0;
  lane_.freed(heading_.sale);
  if (reply->now_ms > 0) note_clock(*lease_.get(), reply->now_ms);
  const bool is_no_primary = looking_ && !heading_.from_replica && reply->hold_until_ms != 0;
  if (is_no_primary || reply->verdict == core::Verdict::not_primary) {  // demoted since the pool last looked
    step_ = left_behind();
    return;
  }
  if (reply->verdict == core::Verdict::ok) {
    if (!heading_.from_replica) shared_.seen.heard(heading_.sale, terms.uuid, reply->at);
    counters().batch_requests.add(aboard_.size());
    const bool tells_of_items = looking_ || heading_.errand == Errand::reserve;
    if (tells_of_items && shared_.options.view)
      shared_.view.heard(heading_.sale, terms, *reply, heading_.from_replica, util::steady_ms(sent_at_));
    settle_each(*reply);
    land();
    if (shared_.options.view)
      shared_.view.fetch_filter(*shared_.pool, heading_.sale, util::Clock::now() + kFilterPatience);
    return;
  }
  if (reply->verdict == core::Verdict::stale) terms_.erase(heading_.sale);
  const bool retry = reply->verdict == core::Verdict::late || reply->verdict == core::Verdict::stale;
  if (heading_.from_replica) {  // a replica that lags or was left behind decides nothing
    for (Request* request : aboard_)
      if (request != nullptr) request->from_replica = false;
    lane_.retreat(aboard_);
  } else if (retry && !(reply->verdict == core::Verdict::stale && fresh_terms_)) {
    lane_.retreat(aboard_);
  } else if (retry) {  // stale although just read: the epoch is changing under us
    step_ = core::Step::pause;
    return;
  } else if (reply->verdict == core::Verdict::layout) {
    answer_all(fail(ErrorCode::unsupported, "the sale has a layout that this library does not know"));
  } else {
    answer_fenced();
  }
  land();
}

Result<core::BatchReply> Flight::read_reply(const core::SaleTerms& terms) const {
  return looking_ || heading_.errand == Errand::reserve
             ? core::read_batch_reply(replies_.front(), nonce_, aboard_.size(), terms)
             : core::read_move_reply(replies_.front(), nonce_, aboard_.size(), terms);
}

Result<Answer> Flight::answer_to(const core::BatchReply& reply, std::size_t index, std::size_t& found) const {
  Result<Answer> answer = core::answer_of(reply, index, item_of_[index], found);
  if (!answer) return answer;
  // Of a confirm or release that could only be looked up, an order still reserved is one that could not be moved.
  if (moves() && answer->outcome == Outcome::already_reserved) return fail(ErrorCode::refused, "Redis refuses writes");
  if (answer->outcome == Outcome::confirmed && heading_.errand == Errand::release) answer->outcome = Outcome::released;
  return answer;
}

void Flight::settle_each(const core::BatchReply& reply) {
  acknowledged_ = heading_.waits_for_replicas ? read_acknowledged(reply.at) : std::nullopt;
  ReceiptNotes receipts(shared_.receipts.get(), heading_.sale, terms_.find(heading_.sale)->second, reply.at);
  std::size_t found = 0;
  for (std::size_t i = 0; i < aboard_.size(); ++i) {
    Result<Answer> answer = answer_to(reply, i, found);
    Request*& place = aboard_[i];
    if (place == nullptr) continue;
    if (heading_.from_replica && is_for_primary(answer)) {
      place->from_replica = false;
      lane_.put_off(place, milliseconds{0});
    } else if (is_open(*place, answer, reply.now_ms)) {
      lane_.put_off(place, kPutOff);
    } else if (!answer && answer.error().code == ErrorCode::refused) {
      lane_.answer(place, fail(ErrorCode::refused, refusal_, place->effect));
    } else {
      receipts.add(*place, answer, wanted(*place));
      conclude(place, std::move(answer), reply.at);
    }
  }
  lane_.disembark(aboard_);
}

/// The primary's state behind the batch, as the mark told it; nothing if it told none, or came before the batch.
std::optional<std::string_view> Flight::marked(Position at) {
  for (const std::size_t script : {1, 3})
    mark_is_missing_ |= replies_[script].type == Reply::Type::error &&
                        core::sort_error_reply(replies_[script].text) == core::ErrorReply::no_script;
  const auto& fields = replies_[1].elements;
  if (fields.size() != 4 || fields[0].text != nonce_ || fields[1].text != "ok") return std::nullopt;
  const auto seq = core::to_number<std::uint64_t>(fields[3].text);
  return seq && *seq >= at.seq ? std::optional<std::string_view>(fields[2].text) : std::nullopt;
}

// Of as many replicas as the sale asks for, or as are connected now, or were when the batch was sent, whichever is
// most: never of fewer because one is missing.
std::optional<Acknowledged> Flight::read_acknowledged(Position at) {
  if (replies_.size() != 4) return std::nullopt;
  const auto before = marked(at);
  auto& fields = replies_[3].elements;
  if (!before || fields.empty() || fields[0].text != nonce_) return std::nullopt;
  const auto now = core::take_read(std::move(fields), 0);
  const auto written = core::to_number<std::uint64_t>(core::info_field(*before, "master_repl_offset"));
  const auto history = core::info_field(*before, "master_replid");
  if (!now || !written || history.empty() || !core::is_history(now->replication, history)) return std::nullopt;
  core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  terms.connected = std::max(core::connected_replicas(*before), core::connected_replicas(now->replication));
  const auto needed = std::max({std::size_t{terms.replicas}, terms.connected, replicas_waited_for_});
  const auto reached = core::acknowledged_by(now->replication, needed);
  return Acknowledged{std::string(history), *written, reached};
}

Level Flight::wanted(const Request& request) const {
  if (request.level != Level::usual) return request.level;
  const bool committed = request.verb == Verb::confirm && terms_.find(heading_.sale)->second.has_sink;
  return committed ? Level::database : Level::primary;
}

// What a request was told at first stands at the first mark behind it: were each look's own mark asked for, a replica
// that is a moment late would never be there while others buy.
void Flight::note_mark(Request& request, bool is_unchanged) {
  request.mark.is_reached = false;
  if (!acknowledged_) return;
  if (!is_unchanged || request.mark.history != acknowledged_->history)
    request.mark = {acknowledged_->history, acknowledged_->written, false};
  // A primary without a replica counts no offset: none at all is no offset of nought.
  request.mark.is_reached = acknowledged_->reached && *acknowledged_->reached >= request.mark.written;
}

// Only what asserts an order's state has a level; `at` is the entry that must have reached it.
void Flight::conclude(Request*& place, Result<Answer> answer, Position at) {
  Request* const request = place;
  const Level level = wanted(*request);
  const bool same_epoch = request->needs.epoch == at.epoch;
  if (request->checking && !(answer && answer->order && same_epoch)) {
    // Redis was rebuilt meanwhile. That it has the order says nothing of what was done to it: ask as at first.
    return lane_.put_off(place, milliseconds{0}, false);
  }
  if (!answer || !answer->order || level == Level::primary) return lane_.answer(request, answer);
  if (answer->outcome == Outcome::dead) {
    answer->level = Level::database;  // it is the database that said so
    return lane_.answer(request, answer);
  }
  // Asked once more, it still is what this very call won or moved, unless somebody gave it back meanwhile; but what was
  // moved under another epoch may have been lost with it.
  const bool same = request->decided.order == answer->order && (same_epoch || request->verb == Verb::reserve);
  const bool unchanged = same && (answer->holds_stock() || !request->decided.holds_stock());
  if (unchanged) *answer = request->decided;
  if (level == Level::replicas) note_mark(*request, unchanged);
  const bool reached = level == Level::replicas ? request->mark.is_reached : request->checking;
  if (!reached) return hold_back(place, *answer, at);
  answer->level = level;
  lane_.answer(request, answer);
}

// Decided, but not at its level yet: for replicas it is soon looked up again with another WAIT; the database is waited
// for without a lane.
void Flight::hold_back(Request*& place, const Answer& answer, Position at) {
  place->decided = answer;
  place->needs = at;
  if (wanted(*place) == Level::replicas) return lane_.put_off(place, kPutOff, true);
  Request* const request = lane_.disembark(place);
  request->checking = false;
  if (!shared_.parking.park(request)) lane_.answer(request, fail(ErrorCode::closed, "the gate was closed"));
}

// Redis refuses writes, but reads go on: whoever won before still hears so, and who would be refused is refused.
void Flight::settle_refused() {
  looking_ = true;
  refusal_ = flow_.error().detail;
  flow_ = core::CallFlow();
  step_ = flow_.leased();
}

void Flight::settle_failed() {
  if (flow_.writes_refused() && !looking_) return settle_refused();
  if (aboard_.empty()) lane_.board(aboard_, heading_, milliseconds{0});
  if (has_failed_unknown() && !loading_) mark_unknown();
  for (Request* request : aboard_)
    if (request != nullptr) lane_.answer(request, fail(flow_.error().code, flow_.error().detail, request->effect));
  lane_.disembark(aboard_);
  land();
}

}  // namespace flashsale::engine
