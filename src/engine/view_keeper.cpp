#include "engine/view_keeper.hpp"

#include <algorithm>

#include "core/keyspace.hpp"
#include "core/winners_filter.hpp"
#include "util/coarse_clock.hpp"
#include "util/deadline.hpp"

namespace flashsale::engine {
namespace {

constexpr std::int64_t kPauseMin = 5, kPauseMax = 1000;  // between looks for a filter, which are cheaper than a batch
constexpr std::size_t kWantedMax = 256;

/// One read of the published filter, or nothing.
std::optional<std::string> read(Connection& connection, const Command& command, Deadline deadline) {
  RoundTrip trip = connection.roundtrip({command}, deadline);
  if (trip.error || trip.replies[0].type != Reply::Type::text) return std::nullopt;
  return std::move(trip.replies[0].text);
}

}  // namespace

core::Advice ViewKeeper::advise(const Call& call, Answer& answer, Deadline& ask_at) noexcept {
  const std::int64_t now = util::coarse_ms_not_behind();
  const core::Advice advice = view_.advise(call, now, answer);
  if (advice == core::Advice::wait) ask_at = Deadline(milliseconds{core::next_common_moment(now)});
  return advice;
}

void ViewKeeper::heard(std::string_view sale, const core::SaleTerms& terms, const core::BatchReply& reply,
                       bool from_replica, std::int64_t asked_at) {
  if (terms.queue == QueueMode::list) return;  // nobody publishes a filter of a list
  const std::lock_guard<std::mutex> lock(mutex_);
  Position needs;
  for (std::size_t i = 0; i < terms.items.size(); ++i) {
    const core::ItemNews news = core::news_of(reply, terms, i, asked_at);
    if (!from_replica)
      view_.learn(sale, terms.items[i], news);
    else if (news.refusal == Outcome{})
      view_.end(sale, terms.items[i]);
    if (news.refusal != Outcome{}) needs = std::max(needs, news.needs);
  }
  if (from_replica || needs.epoch == 0 || needs <= view_.covered(sale)) return;
  if (wanted_.size() >= kWantedMax && wanted_.find(sale) == wanted_.end()) return;
  Wanted& wanted = wanted_[std::string(sale)];
  wanted.at = std::max(wanted.at, needs);
  wants_any_.store(true, std::memory_order_relaxed);
}

bool ViewKeeper::is_due(std::string_view sale, std::int64_t now) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = wanted_.find(sale);
  if (found == wanted_.end() || now < found->second.look_at) return false;
  Wanted& wanted = found->second;
  if (wanted.since == 0) wanted.since = now;
  wanted.look_at = now + std::clamp((now - wanted.since) / 4, kPauseMin, kPauseMax);
  return true;
}

void ViewKeeper::took(std::string_view sale, std::string_view published) {
  const std::lock_guard<std::mutex> lock(mutex_);
  view_.put_filter(sale, published);
  const auto found = wanted_.find(sale);
  if (found != wanted_.end() && found->second.at <= view_.covered(sale)) wanted_.erase(found);
  wants_any_.store(!wanted_.empty(), std::memory_order_relaxed);
}

void ViewKeeper::fetch_filter(ConnectionPool& pool, std::string_view sale, Deadline deadline) {
  if (!wants_any_.load(std::memory_order_relaxed) || !is_due(sale, util::steady_ms())) return;
  auto lease = pool.acquire(Role::replica, core::slot_of(sale), deadline);
  if (!lease) return;
  const core::Keys keys(sale);
  static const std::string last = std::to_string(core::kFilterHeaderBytesMax - 1);
  const auto head = read(*lease->get(), {"GETRANGE", keys.winners, "0", last}, deadline);
  const auto header = head ? core::read_filter_header(*head) : std::nullopt;
  bool is_news = false;
  if (header) {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_news = header->at > view_.covered(sale);
  }
  if (!is_news) return;
  if (const auto published = read(*lease->get(), {"GET", keys.winners}, deadline)) took(sale, *published);
}

}  // namespace flashsale::engine
