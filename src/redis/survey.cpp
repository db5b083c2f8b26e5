#include "redis/survey.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "redis/dial.hpp"
#include "redis/redis_connection.hpp"
#include "util/stop.hpp"

namespace flashsale::redis {
namespace {

using Clock = Deadline::clock;

Result<TopologyMap> ask(const SurveyTerms& terms, const Node& node, Deadline deadline) {
  const auto login = login_as(terms.user);
  if (!login) return tl::unexpected<Error>(login.error());
  auto channel = dial(node, terms.tls, deadline);
  if (!channel) return tl::unexpected<Error>(std::move(channel.error()));
  RedisConnection connection(std::move(*channel));
  if (auto greeted = greet(connection, *login, false, deadline); !greeted)
    return tl::unexpected<Error>(std::move(greeted.error()));
  std::vector<Command> commands{{"CLUSTER", "SLOTS"}, {"CLUSTER", "MYID"}};
  if (terms.topology == Topology::sentinel)
    commands = {{"SENTINEL", "get-master-addr-by-name", terms.primary_name},
                {"SENTINEL", "replicas", terms.primary_name},
                {"SENTINEL", "sentinels", terms.primary_name},
                {"SENTINEL", "MYID"}};
  RoundTrip trip = connection.roundtrip(commands, deadline);
  if (trip.error) return tl::unexpected<Error>(*trip.error);
  std::string id = read_id(trip.replies.back());
  trip.replies.pop_back();
  auto map = terms.topology == Topology::sentinel ? read_sentinel(trip.replies, terms.primary_name)
                                                  : read_cluster_slots(trip.replies[0], node);
  if (map) {
    map->teller = node;
    map->teller_id = std::move(id);
  }
  return map;
}

/// One of `left` that are still to be asked gets its share, and one share more is left for what comes after.
Result<TopologyMap> ask_in_turn(const SurveyTerms& terms, const Node& node, std::size_t left, Deadline deadline) {
  const auto now = Clock::now();
  const auto share = (deadline - now) / static_cast<std::int64_t>(left + 1);
  auto map = ask(terms, node, std::min<Deadline>(now + terms.timeout, now + share));
  if (map) return map;
  Error error = std::move(map.error());
  error.effect = Effect::none;
  const char* const kind = terms.topology == Topology::sentinel ? "sentinel" : "cluster node";
  error.detail = fmt::format("{} {}: {}", kind, to_string(node), error.detail);
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace

Result<TopologyMap> survey(const SurveyTerms& terms, std::vector<Node>& whom, Deadline deadline) {
  Error error{ErrorCode::disconnected, Effect::none, "there is nobody to ask"};
  for (std::size_t i = 0; i < whom.size(); ++i) {
    auto map = ask_in_turn(terms, whom[i], whom.size() - i, deadline);
    if (map) {
      std::rotate(whom.begin(), whom.begin() + static_cast<std::ptrdiff_t>(i), whom.end());
      return map;
    }
    error = std::move(map.error());
    if (Clock::now() >= deadline || util::stop_requested()) break;
  }
  return tl::unexpected<Error>(std::move(error));
}

Result<TopologyMap> survey_many(const SurveyTerms& terms, std::vector<Node> whom, std::uint16_t slot,
                                std::size_t voters, Deadline deadline) {
  const std::size_t most = whom.size() + kTellersMax;
  Poll poll(slot, voters);
  std::string trouble;
  std::size_t i = 0;
  for (; i < whom.size() && Clock::now() < deadline && !util::stop_requested(); ++i) {
    auto map = ask_in_turn(terms, whom[i], whom.size() - i, deadline);
    if (!map) {
      trouble += "; " + map.error().detail;
    } else if (map->teller_id.empty()) {
      trouble += fmt::format("; {} answers, but not to MYID, so it does not count", to_string(whom[i]));
    } else {
      for (const Node& other : tellers_of(terms.topology, *map))
        if (whom.size() < most && std::find(whom.begin(), whom.end(), other) == whom.end()) whom.push_back(other);
      if (auto agreed = poll.count(std::move(*map))) return std::move(*agreed);
    }
  }
  const bool is_cluster = terms.topology == Topology::cluster;
  auto sole = poll.sole();
  if (is_cluster && sole && trouble.empty() && i == whom.size()) return std::move(*sole);
  return fail(ErrorCode::disconnected,
              fmt::format("{} of {} must name the same primary; {} answered and named {}{}", poll.needed(),
                          is_cluster ? whom.size() : poll.voters(), poll.answers(), poll.describe(), trouble));
}

}  // namespace flashsale::redis
