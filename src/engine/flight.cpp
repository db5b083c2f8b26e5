#include "engine/flight.hpp"

#include <algorithm>
#include <utility>

#include "core/numbers.hpp"
#include "core/sale_meta.hpp"
#include "core/scripts.hpp"
#include "engine/counters.hpp"
#include "engine/lane.hpp"
#include "engine/node_clock.hpp"
#include "engine/script_runner.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {
namespace {

constexpr milliseconds kSliceMax{100};      // how long a round trip may keep the leader from looking around
constexpr milliseconds kPutOff{5};          // before an open question is asked again
constexpr milliseconds kMoment{20};         // for the node of a sale that was hindered last, while others wait
constexpr milliseconds kShortPause{2};      // then
constexpr milliseconds kFencedRetry{1000};  // what a reconcile takes, about
constexpr milliseconds kMarginMax{100};
constexpr milliseconds kFilterPatience{50};  // everybody was answered; only the lane waits
constexpr int kWaitMaxMs = 50;               // of one WAIT; whoever has more time asks again
constexpr std::size_t kTermsMax = 1024;      // sales that a lane remembers

Answer fenced_answer() {
  Answer answer;
  answer.outcome = Outcome::paused;
  answer.reason = PauseReason::fenced;
  answer.retry_after_ms = kFencedRetry.count();
  return answer;
}

/// What a node would say that decides nothing any more.
Reply demoted() {
  Reply reply;
  reply.type = Reply::Type::error;
  reply.text = "READONLY the node was left behind";
  return reply;
}

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

bool Flight::take_off() {
  if (!lane_.next_ready(heading_)) return false;
  flow_ = core::CallFlow();
  step_ = flow_.begin();
  looking_ = heading_.errand == Errand::look;
  fresh_terms_ = false;
  flying_ = true;
  return true;
}

void Flight::step(Deadline patience) {
  switch (step_) {
    case core::Step::lease:
      step_ = lease(patience);
      break;
    case core::Step::send:
      step_ = send();
      break;
    case core::Step::load:
      step_ = load();
      break;
    case core::Step::await:
      step_ = await();
      break;
    case core::Step::pause:
      pause(patience);
      break;
    case core::Step::answer:
      settle();
      break;
    case core::Step::fail:
      settle_failed();
      break;
  }
}

bool Flight::has_copy_of(const Request& request) const {
  for (const Request* at : aboard_)
    if (at != nullptr && at != &request && at->errand() == Errand::reserve && at->key() == request.key()) return true;
  return false;
}

void Flight::abandon(ErrorCode code, std::string_view detail) {
  if (!flying_) return;
  if (step_ == core::Step::await && !loading_) mark_unknown();
  lane_.disembark(aboard_, ashore_);
  for (Request* request : ashore_)
    if (request != nullptr) lane_.answer(request, fail(code, std::string(detail), request->effect));
  lease_.report(Heard::broken);
  land();
}

// The requests stay in the queue while a connection is awaited: there they can expire, and later ones can join.
core::Step Flight::lease(Deadline patience) {
  const Role role = heading_.from_replica ? Role::replica : Role::primary;
  // Of a sale whose node was away last time the others hear nothing: it gets a moment, and the rest of it later.
  if (lane_.is_in_the_way(heading_.sale)) patience = std::min<Deadline>(patience, util::Clock::now() + kMoment);
  auto lease = shared_.pool->acquire(role, core::slot_of(heading_.sale), patience);
  if (!lease) return flow_.not_leased(lease.error());
  lease_ = std::move(*lease);
  return flow_.leased();
}

void Flight::board() {
  lane_.board(aboard_, heading_, margin());
  defer_open_questions();
}

// A resolve may call a request not reserved only if no copy of it is under way when the question is sent.
void Flight::defer_open_questions() {
  for (Request*& place : aboard_)
    if (place->verb == Verb::resolve && !place->checking && shared_.outstanding_elsewhere(*place))
      lane_.put_off(lane_.disembark(place), kPutOff);
  close_ranks();
}

void Flight::close_ranks() { aboard_.erase(std::remove(aboard_.begin(), aboard_.end(), nullptr), aboard_.end()); }

// What this sale cannot do is refused before anything is sent.
void Flight::drop_unsupported() {
  const core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  const bool list = terms.queue == QueueMode::list;
  for (Request*& place : aboard_) {
    const char* why = nullptr;
    if (list && moves()) why = "a sale in list mode knows no confirm and release";
    if (!terms.has_sink && place->level == Level::database) why = "the sale has no database, so no level 'database'";
    if (why != nullptr && !place->is_decided()) lane_.answer(lane_.disembark(place), fail(ErrorCode::unsupported, why));
  }
  close_ranks();
  lane_.flush();
}

void Flight::drop_due(milliseconds margin) {
  const Deadline now = util::Clock::now();
  for (Request*& place : aboard_) {
    if (place == nullptr || place->deadline > now + margin) continue;
    Request* const request = lane_.disembark(place);
    lane_.answer(request, fail(ErrorCode::timed_out, "the deadline came before Redis answered", request->effect));
  }
}

Deadline Flight::earliest() const {
  Deadline earliest = util::Clock::now() + kTimeoutMax;
  for (const Request* at : aboard_)
    if (at != nullptr) earliest = std::min(earliest, at->deadline);
  return earliest;
}

Deadline Flight::slice() const { return std::min<Deadline>(earliest(), util::Clock::now() + kSliceMax); }

milliseconds Flight::margin() const {
  const auto age = std::chrono::duration_cast<milliseconds>(util::Clock::now() - slowest_at_);
  if (age >= std::chrono::seconds(1)) return milliseconds{0};
  return std::min(kMarginMax, slowest_ * (1000 - age.count()) / 1000);
}

core::Step Flight::send() {
  if (aboard_.empty()) board();
  drop_due(margin());
  close_ranks();
  lane_.flush();
  bool ready = false;
  if (!aboard_.empty())
    if (const auto step = prepare(ready); !ready) return step;
  if (!aboard_.empty()) drop_unsupported();
  if (aboard_.empty()) {
    land();
    return core::Step::lease;
  }
  const std::vector<Command>& batch = encode();
  sent_at_ = util::Clock::now();
  loading_ = false;
  return heed(lease_->roundtrip(heading_.waits_for_replicas ? with_wait(batch) : batch, slice()));
}

// The batch asserts orders' states to callers who want every replica to have them: one WAIT for all, in the same round
// trip. It waits for everything written before it, also by others; INFO tells for how many replicas it should have.
std::vector<Command> Flight::with_wait(const std::vector<Command>& batch) {
  const core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  replicas_waited_for_ = std::max<std::size_t>(terms.replicas, terms.connected);
  wait_count_ = std::to_string(replicas_waited_for_);
  wait_ms_ = std::to_string(std::clamp(util::ms_left(slice()) / 2, 1, kWaitMaxMs));
  return {batch.front(), {"INFO", "replication"}, {"WAIT", wait_count_, wait_ms_}};
}

const std::vector<Command>& Flight::encode() {
  const core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  asked_.clear();
  item_of_.clear();
  for (const Request* request : aboard_) {
    asked_.push_back(request->asked());
    item_of_.push_back(terms.item_index(request->item()));
  }
  not_after_ms_ = util::steady_ms(earliest()) + lease_->clock.ahead_ms;
  nonce_ = std::to_string(random_.next());
  if (looking_) return encoder_.look(terms, asked_, not_after_ms_, nonce_);
  if (heading_.errand == Errand::reserve) return encoder_.reserve(terms, asked_, not_after_ms_, nonce_);
  const Verb verb = heading_.errand == Errand::confirm ? Verb::confirm : Verb::release;
  return encoder_.move(terms, verb, asked_, not_after_ms_, nonce_);
}

std::string_view Flight::script() const {
  if (looking_) return "look";
  return heading_.errand == Errand::reserve ? "reserve" : "move";
}

core::Step Flight::load() {
  loading_ = true;
  return heed(lease_->roundtrip({{"SCRIPT", "LOAD", core::script(script()).text}}, slice()));
}

core::Step Flight::await() {
  drop_due(milliseconds{0});
  lane_.flush();
  if (std::all_of(aboard_.begin(), aboard_.end(), [](const Request* at) { return at == nullptr; })) {
    lease_.report(Heard::broken);  // nobody is left who wants the reply
    land();
    return core::Step::lease;
  }
  return heed(lease_->await(slice()));
}

// What must be known before a batch can be written: the node's clock and the sale's terms.
core::Step Flight::prepare(bool& ready) {
  if (auto error = learn_clock(*lease_.get(), slice())) return flow_.stopped(*error);
  auto known = terms_.find(heading_.sale);
  if (known != terms_.end() && !is_current(known->second)) {
    terms_.erase(known);
    known = terms_.end();
  }
  if (known == terms_.end())
    if (const auto step = read_terms(); step != core::Step::send) return step;
  if (heading_.waits_for_replicas) return count_replicas(ready);
  ready = true;
  return core::Step::send;
}

/// Takes over what this process has heard of the sale; false: of a later epoch, so whoever told these terms was left
/// behind.
bool Flight::is_current(core::SaleTerms& terms) const {
  const Position mark = shared_.seen.mark(heading_.sale, terms.uuid);
  const auto epoch = core::to_number<std::uint64_t>(terms.epoch).value_or(0);
  terms.seen_seq = mark.epoch == epoch ? mark.seq : 0;
  return mark.epoch <= epoch;
}

core::Step Flight::read_terms() {
  core::SaleTerms terms(heading_.sale);
  RoundTrip trip = lease_->roundtrip({{"HGETALL", terms.keys.meta}}, slice());
  if (trip.error) return flow_.stopped({ErrorCode::disconnected, Effect::none, std::move(trip.error->detail)});
  if (trip.replies[0].type == Reply::Type::error) return flow_.replied(trip.replies[0]);
  auto meta = core::read_meta(trip.replies[0]);
  if (!meta) {
    const bool lost = meta.error().code == ErrorCode::not_found && shared_.seen.has(heading_.sale);
    if (lost || meta.error().code == ErrorCode::refused)
      answer_all(fenced_answer());
    else
      answer_all(tl::unexpected<Error>(std::move(meta.error())));
    land();
    return core::Step::lease;
  }
  terms.epoch = std::to_string(meta->epoch);
  terms.uuid = meta->uuid;
  terms.queue = meta->queue;
  terms.holds = meta->hold_ms > 0;
  terms.has_sink = !meta->sink.empty();
  terms.replicas = meta->replicas;
  for (auto& item : meta->items) {
    terms.items.push_back(std::move(item.item));
    terms.limits.push_back(static_cast<std::uint32_t>(std::clamp<std::int64_t>(item.limit, 0, kQuantityMax)));
  }
  if (!is_current(terms) && !heading_.from_replica) return flow_.replied(demoted());
  if (!heading_.from_replica) shared_.seen.heard(heading_.sale, terms.uuid, {meta->epoch, meta->seq});
  if (terms_.size() >= kTermsMax) terms_.clear();
  terms_.emplace(heading_.sale, std::move(terms));
  fresh_terms_ = true;
  return core::Step::send;
}

/// Without any replica level `replicas` means nothing.
core::Step Flight::count_replicas(bool& ready) {
  core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  ready = terms.replicas > 0 || terms.connected > 0;
  if (ready) return core::Step::send;
  RoundTrip trip = lease_->roundtrip({{"INFO", "replication"}}, slice());
  if (trip.error) return flow_.stopped({ErrorCode::disconnected, Effect::none, std::move(trip.error->detail)});
  terms.connected = core::connected_replicas(trip.replies[0].text);
  ready = terms.connected > 0;
  if (ready) return core::Step::send;
  answer_all(fail(ErrorCode::unsupported, "no replica is connected, so there is no level 'replicas'"));
  land();
  return core::Step::lease;
}

core::Step Flight::heed(RoundTrip trip) {
  counters().round_trips.add(1);
  if (trip.error && !trip.replies.empty()) {
    lease_.report(Heard::broken);  // the batch was answered, only the WAIT behind it was not
    trip.error.reset();
  }
  if (trip.error) {
    const auto step = flow_.stopped(*trip.error);
    if (trip.error->effect == Effect::unknown && !loading_) mark_unknown();
    return step;
  }
  replies_ = std::move(trip.replies);
  const Deadline now = util::Clock::now();
  counters().took(now - sent_at_);
  const auto took = std::chrono::ceil<milliseconds>(now - sent_at_);
  if (!loading_ && took >= margin()) {
    slowest_ = took;
    slowest_at_ = now;
  }
  return loading_ ? flow_.loaded(replies_.front()) : flow_.replied(replies_.front());
}

// From here on a copy of each request may win without us hearing of it, until not_after.
void Flight::mark_unknown() {
  if (looking_) return;
  for (Request* request : aboard_) {
    if (request == nullptr) continue;
    request->effect = Effect::unknown;
    if (request->verb != Verb::reserve) continue;  // a late confirm or release can win nothing
    request->unknown_until_ms = std::max(request->unknown_until_ms, not_after_ms_);
    shared_.unsettled.add(request->key(), request->unknown_until_ms);
  }
}

void Flight::pause(Deadline patience) {
  if (const auto heard = flow_.heard()) lease_.report(*heard, flow_.heard_text());
  ++failures_;
  counters().resent_batches.add(1);
  lane_.hindered(heading_.sale, flow_.error());
  lane_.retreat(aboard_);
  land();
  const bool others = lane_.is_in_the_way(heading_.sale);
  if (others) lane_.step_aside(heading_.sale);
  sleep_within(others ? kShortPause : pause_before(failures_), patience);
}

void Flight::land() {
  lane_.flush();
  lease_ = Lease();
  flying_ = false;
}

void Flight::answer_all(const Result<Answer>& answer) {
  lane_.disembark(aboard_, ashore_);
  if (shared_.receipts && answer && answer->reason == PauseReason::fenced)
    shared_.receipts->heard_fenced(heading_.sale);
  const std::int64_t now_ms = util::steady_ms() + lease_->clock.ahead_ms;
  for (Request* request : ashore_) {
    if (request == nullptr) continue;
    if (is_open(*request, answer, now_ms))
      lane_.put_off(request, kPutOff);
    else
      lane_.answer(request, answer);
  }
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
  if (looking_ && !heading_.from_replica && reply->hold_until_ms != 0) {  // demoted since the pool last looked
    step_ = flow_.replied(demoted());
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
    for (Request* request : aboard_) request->from_replica = false;
    lane_.retreat(aboard_);
  } else if (retry && !(reply->verdict == core::Verdict::stale && fresh_terms_)) {
    lane_.retreat(aboard_);
  } else if (retry) {  // stale although just read: the epoch is changing under us
    step_ = core::Step::pause;
    return;
  } else if (reply->verdict == core::Verdict::layout) {
    answer_all(fail(ErrorCode::unsupported, "the sale has a layout that this library does not know"));
  } else {
    answer_all(fenced_answer());
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
  waited_ = heading_.waits_for_replicas && has_waited();
  ReceiptNotes receipts(shared_.receipts.get(), heading_.sale, terms_.find(heading_.sale)->second, reply.at);
  lane_.disembark(aboard_, ashore_);
  std::size_t found = 0;
  for (std::size_t i = 0; i < ashore_.size(); ++i) {
    Result<Answer> answer = answer_to(reply, i, found);
    Request* const request = ashore_[i];
    if (request == nullptr) continue;
    if (heading_.from_replica && is_for_primary(answer)) {
      request->from_replica = false;
      lane_.put_off(request, milliseconds{0});
    } else if (is_open(*request, answer, reply.now_ms)) {
      lane_.put_off(request, kPutOff);
    } else if (!answer && answer.error().code == ErrorCode::refused) {
      lane_.answer(request, fail(ErrorCode::refused, refusal_, request->effect));
    } else {
      receipts.add(*request, answer, wanted(*request));
      conclude(request, std::move(answer), reply.at);
    }
  }
}

// The larger of what the sale asks for, what is connected now and what was connected when the WAIT was sent: never
// fewer because one is missing.
bool Flight::has_waited() {
  if (replies_.size() != 3 || replies_[2].type != Reply::Type::integer) return false;
  core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  terms.connected = core::connected_replicas(replies_[1].text);
  const auto needed = std::max({std::size_t{terms.replicas}, terms.connected, replicas_waited_for_});
  return replies_[2].integer >= static_cast<std::int64_t>(needed);
}

Level Flight::wanted(const Request& request) const {
  if (request.level != Level::usual) return request.level;
  const bool committed = request.verb == Verb::confirm && terms_.find(heading_.sale)->second.has_sink;
  return committed ? Level::database : Level::primary;
}

// Only what asserts an order's state has a level; `at` is the entry that must have reached it.
void Flight::conclude(Request* request, Result<Answer> answer, Position at) {
  const Level level = wanted(*request);
  const bool same_epoch = request->needs.epoch == at.epoch;
  if (request->checking && !(answer && answer->order && same_epoch)) {
    // Redis was rebuilt meanwhile. That it has the order says nothing of what was done to it: ask as at first.
    request->checking = false;
    return lane_.put_off(request, milliseconds{0});
  }
  if (!answer || !answer->order || level == Level::primary) return lane_.answer(request, answer);
  if (answer->outcome == Outcome::dead) {
    answer->level = Level::database;  // it is the database that said so
    return lane_.answer(request, answer);
  }
  // Asked once more, it still is what this very call won or moved, unless somebody gave it back meanwhile; but what was
  // moved under another epoch may have been lost with it.
  const bool same = request->decided.order == answer->order && (same_epoch || request->verb == Verb::reserve);
  if (same && (answer->holds_stock() || !request->decided.holds_stock())) *answer = request->decided;
  const bool reached = level == Level::replicas ? waited_ : request->checking;
  if (!reached) return hold_back(request, *answer, at);
  answer->level = level;
  lane_.answer(request, answer);
}

// Decided, but not at its level yet: for replicas it is soon looked up again with another WAIT; the database is waited
// for without a lane.
void Flight::hold_back(Request* request, const Answer& answer, Position at) {
  request->decided = answer;
  request->needs = at;
  request->checking = wanted(*request) == Level::replicas;
  if (request->checking)
    lane_.put_off(request, kPutOff);
  else if (!shared_.parking.park(request))
    lane_.answer(request, fail(ErrorCode::closed, "the gate was closed"));
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
  const bool may_have_run = flow_.error().code == ErrorCode::internal || flow_.error().code == ErrorCode::protocol;
  if (flow_.error().effect == Effect::unknown && may_have_run) mark_unknown();
  lane_.disembark(aboard_, ashore_);
  for (Request* request : ashore_)
    if (request != nullptr) lane_.answer(request, fail(flow_.error().code, flow_.error().detail, request->effect));
  land();
}

}  // namespace flashsale::engine
