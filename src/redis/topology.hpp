/// What sentinels and cluster nodes say of who is where. Pure: replies in, maps out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flashsale/connection.hpp"
#include "redis/url.hpp"

namespace flashsale::redis {

inline constexpr std::size_t kSlotCount = 16'384;

/// A primary, its replicas, and the slots that they serve; without a cluster no range stands for all.
struct ShardMap {
  Node primary;
  std::vector<Node> replicas;
  std::vector<std::pair<std::uint16_t, std::uint16_t>> slots;  ///< ranges, both ends inclusive
};

struct TopologyMap {
  std::vector<ShardMap> shards;
  std::vector<Node> sentinels;  ///< the others that a sentinel knows
  Node teller;                  ///< who says so, at one of its addresses
  std::string teller_id;        ///< its own name for itself, one however it was reached; empty: it does not tell
};

/// A sentinel's replies to get-master-addr-by-name, replicas and sentinels. The first must name a primary; of the other
/// two what cannot be read is left out, for they only help. Replicas that the sentinel holds for down are left out.
/// Errors: disconnected (it knows no primary of that name), protocol.
Result<TopologyMap> read_sentinel(const std::vector<Reply>& replies, std::string_view primary_name);

/// The reply to CLUSTER SLOTS of the node `asked`, which stands for every empty or unknown host.
/// Errors: disconnected (no slot is served), protocol.
Result<TopologyMap> read_cluster_slots(const Reply& reply, const Node& asked);

/// The reply to SENTINEL MYID or CLUSTER MYID; empty if it is none.
std::string read_id(const Reply& reply);

/// `MOVED 3999 host:port` or `ASK ...`, heard from `asked`, whose host an empty one means.
struct Redirect {
  std::uint16_t slot = 0;
  Node node;
};
std::optional<Redirect> read_redirect(std::string_view text, const Node& asked);

/// The primary that serves `slot` by a map; nothing: none does.
const ShardMap* shard_of(const TopologyMap& map, std::uint16_t slot);

/// Whom a map names that can be asked for the next one: sentinels, or a cluster's nodes.
std::vector<Node> tellers_of(Topology topology, const TopologyMap& map);

/// No more of them are known, whatever maps name.
inline constexpr std::size_t kTellersMax = 64;

/// What several were asked and said, for one slot. A sentinel or node has one vote, under however many addresses it
/// answers; one that does not tell who it is has none. The majority of `voters` decides; of all the sentinels, where an
/// answer knows of more.
class Poll {
 public:
  Poll(std::uint16_t slot, std::size_t voters) : slot_(slot), voters_(voters) {}
  /// One more answer. The map that as many as needed agree on in their primary, as soon as there is one.
  std::optional<TopologyMap> count(TopologyMap map);
  /// The answer, if all so far were of one teller.
  std::optional<TopologyMap> sole() const;
  std::size_t needed() const { return voters_ / 2 + 1; }
  std::size_t voters() const { return voters_; }
  std::size_t answers() const { return maps_.size(); }
  /// Whom they named, in one line.
  std::string describe() const;

 private:
  const std::uint16_t slot_;
  std::size_t voters_;
  std::vector<TopologyMap> maps_;  ///< the newest of each teller
};

}  // namespace flashsale::redis
