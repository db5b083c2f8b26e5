/// Asks sentinels, or nodes of a cluster, who is where. Does I/O; knows no pool.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "redis/tls.hpp"
#include "redis/topology.hpp"
#include "redis/url.hpp"

namespace flashsale::redis {

/// How to ask.
struct SurveyTerms {
  Topology topology = Topology::cluster;
  std::string primary_name;  ///< of sentinel
  User user;                 ///< at the sentinels, or at the cluster's nodes
  milliseconds timeout{};    ///< for one of them
  Tls* tls = nullptr;
};

/// The answer of the first of `whom` that gives one. Those before it move behind it, so that a dead one is tried last
/// from then on. Each gets its share of the time until `deadline` and leaves as much for the rest.
/// Errors, all with effect none: disconnected, refused, timed_out: what the last of them said.
Result<TopologyMap> survey(const SurveyTerms& terms, std::vector<Node>& whom, Deadline deadline);

/// The answer that a majority of `voters`, as `Poll` counts them, gives about `slot`: of `whom` and of those that they
/// name. A cluster whose one node has been asked at all its addresses needs no second.
/// Errors, all with effect none: disconnected (too few answer, or they disagree; the detail says what each named).
Result<TopologyMap> survey_many(const SurveyTerms& terms, std::vector<Node> whom, std::uint16_t slot,
                                std::size_t voters, Deadline deadline);

}  // namespace flashsale::redis
