#include "flashsale/order_queue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/call_flow.hpp"
#include "core/checks.hpp"
#include "core/error_reply.hpp"
#include "core/journal_codec.hpp"
#include "core/keyspace.hpp"
#include "core/scripts.hpp"
#include "engine/control_guard.hpp"
#include "engine/script_runner.hpp"
#include "util/deadline.hpp"
#include "util/random.hpp"

namespace flashsale {
namespace {

using engine::guarded;

constexpr std::size_t kCountMax = 10'000;
constexpr std::size_t kEntriesPerRead = 64;  // no call keeps Redis for long
constexpr milliseconds kBeatEvery{1000};     // lua/give_back.lua relies on it
constexpr milliseconds kReplyMargin{100};    // for the reply of a BLMOVE that waited to its end
constexpr milliseconds kSilenceMax{86'400'000};

std::optional<Error> wrong(const core::Defect& defect) {
  if (!defect) return std::nullopt;
  return Error{ErrorCode::invalid_argument, Effect::none, *defect};
}

std::optional<Error> check(SaleId sale, BuyerId consumer) {
  if (auto error = wrong(core::check_sale(sale.text()))) return error;
  return wrong(core::check_consumer(consumer.text()));
}

/// One beat and one wait for an element, on one connection in one write: nothing can come between the consumer's
/// entry in `consumers` and its BLMOVE. Sent again only while Redis has certainly not moved an element; otherwise the
/// caller hears `unknown` and takes its orders back, where run_commands would quietly take a second one.
class TakeOnce {
 public:
  TakeOnce(ConnectionPool& pool, std::string_view sale, std::string_view consumer)
      : pool_(pool), slot_(core::slot_of(sale)), keys_(sale), taken_(keys_.taken(consumer)), consumer_(consumer) {}

  Result<Reply> run(milliseconds wait, Deadline deadline) {
    core::Step step = flow_.begin();
    for (;;) {
      switch (step) {
        case core::Step::lease:
          step = lease(deadline);
          break;
        case core::Step::send:
          step = send(wait, deadline);
          break;
        case core::Step::pause:
          step = pause(deadline);
          break;
        case core::Step::answer:
          return std::move(reply_);
        case core::Step::await:
          lease_.report(Heard::broken);
          return tl::unexpected<Error>(flow_.error());
        case core::Step::load:  // EVAL carries its text
        case core::Step::fail:
          return tl::unexpected<Error>(flow_.error());
      }
    }
  }

 private:
  core::Step lease(Deadline deadline) {
    auto lease = pool_.acquire(Role::primary, slot_, deadline);
    if (!lease) return flow_.not_leased(lease.error());
    lease_ = std::move(*lease);
    return flow_.leased();
  }

  core::Step send(milliseconds wait, Deadline deadline) {
    const std::string nonce = util::random_hex(8);
    const std::string seconds = fmt::format("{}.{:03}", wait.count() / 1000, wait.count() % 1000);
    const Command beat{"EVAL", core::script("beat").text, "1", keys_.consumers, nonce, consumer_};
    // BLMOVE with 0 would wait for ever.
    const Command move = wait.count() > 0 ? Command{"BLMOVE", keys_.orders, taken_, "RIGHT", "LEFT", seconds}
                                          : Command{"LMOVE", keys_.orders, taken_, "RIGHT", "LEFT"};
    RoundTrip trip = lease_->roundtrip({beat, move}, deadline);
    if (trip.error) return flow_.stopped(*trip.error);
    // What was moved there the primary still has.
    const auto& beaten = trip.replies.front().elements;
    if (beaten.size() > 1 && beaten[1].text == "not_primary") return flow_.replied(core::no_primary());
    for (Reply& reply : trip.replies)
      if (reply.type == Reply::Type::error) return flow_.replied(reply);
    reply_ = std::move(trip.replies.back());
    return flow_.replied(reply_);
  }

  core::Step pause(Deadline deadline) {
    if (const auto heard = flow_.heard()) lease_.report(*heard, flow_.heard_text());
    lease_ = Lease();
    if (flow_.effect() == Effect::unknown) return core::Step::fail;
    return engine::sleep_within(engine::pause_before(++attempts_), deadline) ? flow_.resumed() : flow_.expired();
  }

  ConnectionPool& pool_;
  const std::uint16_t slot_;
  const core::Keys keys_;
  const std::string taken_;
  const std::string_view consumer_;
  core::CallFlow flow_;
  Lease lease_;
  Reply reply_;
  int attempts_ = 0;
};

/// Gives one consumer's list back, 500 at a time.
Result<std::size_t> give_back(ConnectionPool& pool, SaleId sale, std::string_view consumer, milliseconds silence,
                              Deadline deadline) {
  const core::Keys keys(sale.text());
  const std::string taken = keys.taken(consumer);
  const std::string silence_ms = std::to_string(std::clamp(silence, milliseconds{0}, kSilenceMax).count());
  std::size_t count = 0;
  for (;;) {
    engine::ScriptCall call{"give_back", {keys.consumers, keys.orders, taken}, {"", std::string(consumer), silence_ms}};
    auto answer = engine::run_script(pool, sale.text(), std::move(call), deadline);
    if (!answer) return tl::unexpected<Error>(std::move(answer.error()));
    count += static_cast<std::size_t>(std::max<std::int64_t>(answer->integer(2), 0));
    if (answer->integer(3) <= 0) return count;
  }
}

}  // namespace

OrderQueue::OrderQueue(std::shared_ptr<ConnectionPool> pool) : pool_(std::move(pool)) {}

Result<std::vector<JournalEntry>> OrderQueue::read(SaleId sale, Position after, std::size_t count,
                                                   Deadline deadline) const {
  return guarded([&]() -> Result<std::vector<JournalEntry>> {
    if (auto error = wrong(core::check_sale(sale.text()))) return tl::unexpected<Error>(std::move(*error));
    if (count < 1 || count > kCountMax)
      return fail(ErrorCode::invalid_argument, fmt::format("count must be 1 to {}, is {}", kCountMax, count));
    const core::Keys keys(sale.text());
    std::vector<JournalEntry> entries;
    for (std::size_t got = kEntriesPerRead; got == kEntriesPerRead && entries.size() < count;) {
      const std::string from = "(" + to_string(entries.empty() ? after : entries.back().at);
      const std::string limit = std::to_string(std::min(count - entries.size(), kEntriesPerRead));
      const auto read =
          engine::read_at_primary(*pool_, sale.text(), {{"XRANGE", keys.journal, from, "+", "COUNT", limit}}, deadline);
      if (!read) return tl::unexpected<Error>(read.error());
      auto page = core::read_entries(read->replies.back());
      if (!page) return page;
      got = page->size();
      std::move(page->begin(), page->end(), std::back_inserter(entries));
    }
    return entries;
  });
}

Result<std::optional<TakenOrder>> OrderQueue::take(SaleId sale, BuyerId consumer, milliseconds wait,
                                                   Deadline deadline) const {
  return guarded([&]() -> Result<std::optional<TakenOrder>> {
    if (auto error = check(sale, consumer)) return tl::unexpected<Error>(std::move(*error));
    const auto now = util::Clock::now();
    const auto patience = std::clamp(wait, milliseconds{0}, milliseconds{3'600'000});
    const Deadline until = std::min<Deadline>(now + patience, deadline - kReplyMargin);
    for (;;) {
      const auto left = std::min(kBeatEvery, milliseconds{util::ms_left(until)});
      auto reply = TakeOnce(*pool_, sale.text(), consumer.text()).run(left, deadline);
      if (!reply) return tl::unexpected<Error>(std::move(reply.error()));
      if (reply->type == Reply::Type::text) return core::read_element(std::move(reply->text));
      if (util::Clock::now() >= until) return std::nullopt;
    }
  });
}

Result<Done> OrderQueue::ack(SaleId sale, BuyerId consumer, const TakenOrder& taken, Deadline deadline) const {
  return guarded([&]() -> Result<Done> {
    if (auto error = check(sale, consumer)) return tl::unexpected<Error>(std::move(*error));
    const std::string key = core::Keys(sale.text()).taken(consumer.text());
    engine::ScriptCall call{"ack", {key}, {"", taken.element}};
    auto done = engine::run_script(*pool_, sale.text(), std::move(call), deadline);
    if (!done) return tl::unexpected<Error>(std::move(done.error()));
    return {};
  });
}

Result<std::size_t> OrderQueue::return_dead(SaleId sale, milliseconds silence, Deadline deadline) const {
  return guarded([&]() -> Result<std::size_t> {
    if (auto error = wrong(core::check_sale(sale.text()))) return tl::unexpected<Error>(std::move(*error));
    if (silence < milliseconds{1} || silence > kSilenceMax)
      return fail(ErrorCode::invalid_argument,
                  fmt::format("silence must be 1 to {} ms, is {}", kSilenceMax.count(), silence.count()));
    const core::Keys keys(sale.text());
    const auto read = engine::read_at_primary(*pool_, sale.text(), {{"ZRANGE", keys.consumers, "0", "-1"}}, deadline);
    if (!read) return tl::unexpected<Error>(read.error());
    std::size_t count = 0;
    for (const Reply& consumer : read->replies.back().elements) {
      auto given = give_back(*pool_, sale, consumer.text, silence, deadline);
      if (!given) return given;
      count += *given;
    }
    return count;
  });
}

Result<std::size_t> OrderQueue::take_back(SaleId sale, BuyerId consumer, Deadline deadline) const {
  return guarded([&]() -> Result<std::size_t> {
    if (auto error = check(sale, consumer)) return tl::unexpected<Error>(std::move(*error));
    return give_back(*pool_, sale, consumer.text(), milliseconds{0}, deadline);
  });
}

}  // namespace flashsale
