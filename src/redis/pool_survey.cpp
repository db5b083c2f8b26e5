// The part of the pool that finds out who is where.
#include <fmt/format.h>

#include <algorithm>
#include <new>

#include "redis/pool.hpp"

namespace flashsale::redis {
namespace {

using Clock = Deadline::clock;

constexpr milliseconds kSurveyPauseMin{10};
constexpr milliseconds kSurveyPauseMax{250};  // a failover's end is seen within it
constexpr milliseconds kRefreshEvery{5000};

}  // namespace

bool Pool::survey_is_due(Deadline now) const {
  const Directory& directory = state_->directory;
  const bool wanted = directory.in_doubt || now >= directory.refresh_at;
  return state_->nodes.is_surveyed() && wanted && !directory.under_way && now >= directory.pause.until();
}

void Pool::doubt_topology() { state_->directory.in_doubt = true; }

/// The primary that was named is none, or does not answer: somebody else is asked first from now on.
void Pool::distrust_topology() {
  auto& whom = state_->directory.whom;
  if (!whom.empty()) std::rotate(whom.begin(), whom.begin() + 1, whom.end());
  doubt_topology();
}

SurveyTerms Pool::survey_terms() const {
  SurveyTerms terms;
  terms.topology = url_.topology;
  terms.primary_name = url_.primary_name;
  terms.user = url_.topology == Topology::sentinel ? url_.sentinel_user : url_.user;
  terms.timeout = options_.connect_timeout;
  terms.tls = tls_.get();
  return terms;
}

/// Those known, the seeds last: when every node that was known is gone, the URL still holds.
std::vector<Node> Pool::whom_to_ask() const {
  std::vector<Node> whom = state_->directory.whom;
  for (const Node& seed : state_->directory.seeds)
    if (std::find(whom.begin(), whom.end(), seed) == whom.end()) whom.push_back(seed);
  return whom;
}

/// Keeps those who can tell by this map, and no others: a sentinel with a new address would be asked at all its old
/// ones, and a node that left the cluster would go on telling of the cluster it left.
void Pool::adopt_map(const TopologyMap& map) {
  std::vector<Node> tellers = tellers_of(url_.topology, map);
  // A sentinel's word is never the last: the others of the URL keep their places behind it.
  const auto& seeds = state_->directory.seeds;
  if (url_.topology == Topology::sentinel) tellers.insert(tellers.end(), seeds.begin(), seeds.end());
  const auto has = [](const std::vector<Node>& nodes, const Node& node) {
    return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
  };
  auto& whom = state_->directory.whom;
  whom.erase(std::remove_if(whom.begin(), whom.end(), [&](const Node& node) { return !has(tellers, node); }),
             whom.end());
  for (const Node& node : tellers)
    if (whom.size() < kTellersMax && !has(whom, node)) whom.push_back(node);
  adopt(state_->nodes, map);
}

void Pool::survey(Deadline deadline, Lock& lock) {
  Directory& directory = state_->directory;
  const bool was_in_doubt = directory.in_doubt;
  directory.under_way = true;
  directory.in_doubt = false;  // what is heard from here on may be newer than the answer
  Result<TopologyMap> map = fail(ErrorCode::internal, "out of memory");
  std::vector<Node> whom;
  try {
    whom = whom_to_ask();
    const SurveyTerms terms = survey_terms();
    lock.unlock();
    map = redis::survey(terms, whom, deadline);
  } catch (const std::bad_alloc&) {
  }
  if (!lock.owns_lock()) lock.lock();
  directory.under_way = false;
  directory.refresh_at = Clock::now() + kRefreshEvery;
  directory.pause.failed(Clock::now(), kSurveyPauseMin, kSurveyPauseMax, state_->random.next());
  if (map) {
    directory.whom = std::move(whom);
    directory.trouble.clear();
    directory.is_refused = false;
    adopt_map(*map);
  } else {
    directory.in_doubt |= was_in_doubt;
    directory.trouble = map.error().detail;
    directory.is_refused = map.error().code == ErrorCode::refused;
    // A caller whose time ran out learned nothing of those it did not reach.
    if (map.error().code != ErrorCode::timed_out && !whom.empty()) {
      std::rotate(whom.begin(), whom.begin() + 1, whom.end());
      directory.whom = std::move(whom);
    }
  }
  state_->changed.notify_all();
}

Result<Done> Pool::confirm_primary(std::uint16_t slot, Deadline deadline) try {
  if (!mark_owner()) return fail(ErrorCode::forked, "this pool was used before the fork and belongs to the parent");
  if (!state_->nodes.is_surveyed()) return {};
  const SurveyTerms terms = survey_terms();
  Lock lock(state_->mutex);
  std::vector<Node> whom = whom_to_ask();
  lock.unlock();
  // The seeds are whom the operator holds for the sentinels: one that is new and knows no other yet is no majority.
  const std::size_t voters = url_.topology == Topology::sentinel ? state_->directory.seeds.size() : 2;
  auto map = survey_many(terms, std::move(whom), slot, voters, deadline);
  if (!map) return tl::unexpected<Error>(std::move(map.error()));
  lock.lock();
  adopt_map(*map);
  // One of those who agree is asked first from now on: a sentinel that has not heard of a failover would undo it.
  auto& asked = state_->directory.whom;
  const auto teller = std::find(asked.begin(), asked.end(), map->teller);
  if (teller != asked.end()) std::rotate(asked.begin(), teller, asked.end());
  state_->directory.in_doubt = false;
  lock.unlock();
  state_->changed.notify_all();
  return {};
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::internal, "out of memory");
}

}  // namespace flashsale::redis
