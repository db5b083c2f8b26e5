#include "engine/flight.hpp"

#include <algorithm>
#include <utility>

#include "core/error_reply.hpp"
#include "core/numbers.hpp"
#include "core/read_codec.hpp"
#include "core/sale_meta.hpp"
#include "core/scripts.hpp"
#include "engine/counters.hpp"
#include "engine/lane.hpp"
#include "engine/node_clock.hpp"
#include "engine/script_runner.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {
namespace {

constexpr milliseconds kSliceMax{100};  // how long a round trip may keep the leader from looking around
constexpr milliseconds kMoment{20};     // for the node of a sale that was hindered last, while others wait
constexpr milliseconds kShortPause{2};  // then
constexpr milliseconds kLookMax{20};    // for who won, on behalf of those who waited to hear it
constexpr milliseconds kMarginMax{100};
constexpr int kWaitMaxMs = 50;           // of one WAIT; whoever has more time asks again
constexpr std::size_t kTermsMax = 1024;  // sales that a lane remembers

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
  const bool unheard = step_ == core::Step::await || step_ == core::Step::answer || has_failed_unknown();
  if (unheard && !loading_) mark_unknown();
  for (Request* request : aboard_)
    if (request != nullptr) lane_.answer(request, fail(code, std::string(detail), request->effect));
  lane_.disembark(aboard_);
  lease_.report(Heard::broken);
  land();
}

// The requests stay in the queue while a connection is awaited: there they can expire, and later ones can join.
core::Step Flight::lease(Deadline patience) {
  if (heading_.asks_view)
    shared_.view.fetch_filter(*shared_.pool, heading_.sale,
                              std::min<Deadline>(patience, util::Clock::now() + kLookMax));
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
  answer_known();
  defer_open_questions();
}

// Whoever waited for the filter is answered by it if it is there by now.
void Flight::answer_known() {
  for (Request*& place : aboard_) {
    if (!std::exchange(place->asks_view, false)) continue;
    Answer answer;
    Deadline later{};
    if (shared_.view.advise(place->to_call(), answer, later) != core::Advice::refuse) continue;
    lane_.refuse(lane_.disembark(place), answer);
  }
  lane_.close_ranks(aboard_);
}

// A resolve may call a request not reserved only if no copy of it is under way when the question is sent.
void Flight::defer_open_questions() {
  for (Request*& place : aboard_)
    if (place->verb == Verb::resolve && !place->checking && shared_.outstanding_elsewhere(*place))
      lane_.put_off(place, kPutOff);
  lane_.close_ranks(aboard_);
}

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
  lane_.close_ranks(aboard_);
  lane_.flush();
}

void Flight::drop_due(milliseconds margin) {
  const Deadline now = util::Clock::now();
  const bool is_sent = step_ == core::Step::await && !loading_;
  for (Request*& place : aboard_) {
    if (place == nullptr || place->deadline > now + margin) continue;
    if (is_sent) mark_unknown(*place);
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
  lane_.close_ranks(aboard_);
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
// trip, between a mark and a look at what the replicas have acknowledged. lua/mark.lua says why.
std::vector<Command> Flight::with_wait(const std::vector<Command>& batch) {
  const core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  replicas_waited_for_ = std::max<std::size_t>(terms.replicas, terms.connected);
  wait_count_ = std::to_string(replicas_waited_for_);
  wait_ms_ = std::to_string(std::clamp(util::ms_left(slice()) / 2, 1, kWaitMaxMs));
  return {batch.front(),
          {"EVALSHA", core::script("mark").sha1, "1", terms.keys.meta, nonce_, terms.epoch, terms.uuid},
          {"WAIT", wait_count_, wait_ms_},
          {"EVALSHA", core::script("read").sha1, "1", terms.keys.meta, nonce_}};
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
  return heed(lease_->roundtrip(load_commands(core::script(script())), slice()));
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
  if (!lease_->clock.known) {
    const std::string meta = core::Keys(heading_.sale).meta;
    const RoundTrip told = heading_.from_replica ? learn_clock_of_replica(*lease_.get(), slice())
                                                 : learn_clock(*lease_.get(), meta, slice());
    if (told.error) return flow_.stopped(*told.error);
    if (!lease_->clock.known) return flow_.replied(told.replies.front());
  }
  auto known = terms_.find(heading_.sale);
  if (known != terms_.end() && !is_current(known->second)) {
    terms_.erase(known);
    known = terms_.end();
  }
  if (known == terms_.end())
    if (const auto step = read_terms(); step != core::Step::send) return step;
  ready = true;
  if (!heading_.waits_for_replicas) return core::Step::send;
  if (const auto step = count_replicas(ready); !ready) return step;
  return load_mark(ready);
}

/// Where the node had forgotten the mark, no WAIT behind it counts until it is loaded. Whoever may not load it waits
/// for whoever may.
core::Step Flight::load_mark(bool& ready) {
  ready = true;
  if (!mark_is_missing_) return core::Step::send;
  mark_is_missing_ = false;
  RoundTrip trip = lease_->roundtrip(load_commands(core::script("mark")), slice());
  ready = !trip.error;
  if (ready) return core::Step::send;
  return flow_.stopped({ErrorCode::disconnected, Effect::none, std::move(trip.error->detail)});
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
  Reply reply;
  if (const auto step = ask(terms.keys.meta, {"HGETALL", terms.keys.meta}, reply); step != core::Step::send)
    return step;
  auto meta = core::read_meta(reply);
  if (!meta) {
    const bool lost = meta.error().code == ErrorCode::not_found && shared_.seen.has(heading_.sale);
    if (lost || meta.error().code == ErrorCode::refused)
      answer_fenced();
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
  if (!is_current(terms) && !heading_.from_replica) return left_behind();
  if (!heading_.from_replica) shared_.seen.heard(heading_.sale, terms.uuid, {meta->epoch, meta->seq});
  if (terms_.size() >= kTermsMax) terms_.clear();
  terms_.emplace(heading_.sale, std::move(terms));
  fresh_terms_ = true;
  return core::Step::send;
}

/// One read that something is concluded from: at a replica, of whom nobody concludes much, by the command itself.
core::Step Flight::ask(std::string_view key, const Command& command, Reply& reply) {
  const std::string nonce = std::to_string(random_.next());
  std::vector<std::string> arguments;
  core::append_commands({command}, arguments);
  Command call{"EVALSHA", core::script("read").sha1, "1", key, nonce};
  call.insert(call.end(), arguments.begin(), arguments.end());
  RoundTrip trip = lease_->roundtrip({heading_.from_replica ? command : call}, slice());
  if (trip.error) return flow_.stopped({ErrorCode::disconnected, Effect::none, std::move(trip.error->detail)});
  Reply& answer = trip.replies.front();
  core::heed_no_primary(answer, nonce);
  if (answer.type == Reply::Type::error) return flow_.replied(answer);
  if (heading_.from_replica) {
    reply = std::move(answer);
    return core::Step::send;
  }
  const bool is_ours = !answer.elements.empty() && answer.elements[0].text == nonce;
  auto read = core::take_read(is_ours ? std::move(answer.elements) : std::vector<Reply>(), 1);
  if (!read) return flow_.stopped({ErrorCode::disconnected, Effect::none, std::move(read.error().detail)});
  note_clock(*lease_.get(), read->now_ms);
  replication_ = std::move(read->replication);
  reply = std::move(read->replies.front());
  return core::Step::send;
}

/// Without any replica level `replicas` means nothing.
core::Step Flight::count_replicas(bool& ready) {
  core::SaleTerms& terms = terms_.find(heading_.sale)->second;
  ready = terms.replicas > 0 || terms.connected > 0;
  if (ready) return core::Step::send;
  Reply layout;
  if (const auto step = ask(terms.keys.meta, {"HGET", terms.keys.meta, "layout"}, layout); step != core::Step::send)
    return step;
  terms.connected = core::connected_replicas(replication_);
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
    // While the reply is still awaited nothing is unknown, but to those whose deadline comes first.
    if (trip.error->effect == Effect::unknown && !loading_ && step != core::Step::await) mark_unknown();
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
  return loading_ ? flow_.loaded(first_error(replies_)) : flow_.replied(replies_.front());
}

void Flight::mark_unknown() {
  for (Request* request : aboard_)
    if (request != nullptr) mark_unknown(*request);
}

// From here on a copy of the request may win without us hearing of it, until not_after.
void Flight::mark_unknown(Request& request) {
  if (looking_) return;
  request.effect = Effect::unknown;
  if (request.verb != Verb::reserve) return;  // a late confirm or release can win nothing
  request.unknown_until_ms = std::max(request.unknown_until_ms, not_after_ms_);
  shared_.unsettled.add(request.key(), request.unknown_until_ms);
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

}  // namespace flashsale::engine
