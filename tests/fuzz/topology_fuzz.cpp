// Who is where, as sentinels and cluster nodes say it: whatever they say, what is read can be connected to and lies in
// the slots' bounds, for a pool indexes by it.
#include <algorithm>
#include <vector>

#include "fuzz/claim.hpp"
#include "redis/resp.hpp"
#include "redis/topology.hpp"

using namespace flashsale;

namespace {

std::vector<Reply> all_replies(std::string_view bytes) {
  redis::ReplyDecoder decoder;
  decoder.feed(bytes.data(), bytes.size());
  std::vector<Reply> replies;
  Reply reply;
  while (decoder.next(reply) == redis::ReplyDecoder::Step::reply) replies.push_back(reply);
  return replies;
}

void check_node(const redis::Node& node) {
  CLAIM(!node.host.empty() && node.host.size() <= 253 && node.port > 0 && node.path.empty());
  CLAIM(std::none_of(node.host.begin(), node.host.end(), [](char c) { return c == '\0' || c == '\n' || c == ' '; }));
}

void check_map(const Result<redis::TopologyMap>& map) {
  if (!map) {
    CLAIM(!map.error().detail.empty() && map.error().effect == Effect::none);
    return;
  }
  CLAIM(!map->shards.empty());
  for (const redis::Node& sentinel : map->sentinels) check_node(sentinel);
  for (const redis::ShardMap& shard : map->shards) {
    check_node(shard.primary);
    for (const redis::Node& replica : shard.replicas) check_node(replica);
    for (const auto& [first, last] : shard.slots) {
      CLAIM(first <= last && last < redis::kSlotCount);
      CLAIM(redis::shard_of(*map, first) != nullptr && redis::shard_of(*map, last) != nullptr);
    }
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  redis::Node asked;
  asked.host = "10.0.0.1";
  asked.port = 6379;
  const std::string_view text = fuzz::as_text(data, size);
  if (const auto redirect = redis::read_redirect(text, asked)) {
    CLAIM(redirect->slot < redis::kSlotCount);
    check_node(redirect->node);
  }
  const std::vector<Reply> replies = all_replies(text);
  check_map(redis::read_sentinel(replies, "shop"));
  for (const Reply& reply : replies) {
    check_map(redis::read_cluster_slots(reply, asked));
    CLAIM(redis::read_id(reply).size() <= 64);
  }
  return 0;
}
