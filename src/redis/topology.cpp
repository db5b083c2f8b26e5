#include "redis/topology.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/numbers.hpp"

namespace flashsale::redis {
namespace {

constexpr std::size_t kHostBytesMax = 253;
constexpr std::size_t kNodesMax = 1024;
constexpr std::size_t kIdBytesMax = 64;

/// A host as a peer names it: it is going to be looked up, connected to and printed.
bool is_host(std::string_view text) {
  return !text.empty() && text.size() <= kHostBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_' || c == ':' || c == '%';
  });
}

std::optional<Node> to_node(std::string_view host, std::int64_t port) {
  if (!is_host(host) || port < 1 || port > 65'535) return std::nullopt;
  Node node;
  node.host = host;
  node.port = static_cast<std::uint16_t>(port);
  return node;
}

/// The fields of one replica or sentinel: name, value, name, value ...
std::string_view field(const Reply& row, std::string_view name) {
  for (std::size_t i = 0; i + 1 < row.elements.size(); i += 2)
    if (row.elements[i].text == name) return row.elements[i + 1].text;
  return {};
}

bool is_down(std::string_view flags) {
  for (const std::string_view bad : {"s_down", "o_down", "disconnected"})
    if (flags.find(bad) != std::string_view::npos) return true;
  return false;
}

void read_rows(const Reply& rows, bool up_only, std::vector<Node>& nodes) {
  for (const Reply& row : rows.elements) {
    if (nodes.size() >= kNodesMax) return;
    if (up_only && is_down(field(row, "flags"))) continue;
    const auto port = core::to_number<std::int64_t>(field(row, "port"));
    if (auto node = to_node(field(row, "ip"), port.value_or(0))) nodes.push_back(std::move(*node));
  }
}

tl::unexpected<Error> nonsense(const char* what) {
  return fail(ErrorCode::protocol, fmt::format("the reply to {} cannot be read", what));
}

/// One node of CLUSTER SLOTS: [host or nil, port, id, ...].
std::optional<Node> read_slot_node(const Reply& entry, const Node& asked) {
  if (entry.elements.size() < 2) return std::nullopt;
  const std::string& host = entry.elements[0].text;
  const bool same = entry.elements[0].type == Reply::Type::nil || host.empty() || host == "?";
  return to_node(same ? asked.host : host, entry.elements[1].integer);
}

}  // namespace

Result<TopologyMap> read_sentinel(const std::vector<Reply>& replies, std::string_view primary_name) {
  if (replies.size() != 3) return nonsense("SENTINEL");
  const Reply& address = replies[0];
  if (address.type == Reply::Type::nil)
    return fail(ErrorCode::disconnected, fmt::format("it knows no primary called {}", primary_name));
  if (address.type == Reply::Type::error)
    return fail(ErrorCode::disconnected, fmt::format("it answers: {}", address.text.substr(0, 200)));
  if (address.elements.size() != 2) return nonsense("SENTINEL get-master-addr-by-name");
  const auto port = core::to_number<std::int64_t>(address.elements[1].text);
  auto primary = to_node(address.elements[0].text, port.value_or(0));
  if (!primary) return nonsense("SENTINEL get-master-addr-by-name");
  TopologyMap map;
  map.shards.emplace_back();
  map.shards[0].primary = std::move(*primary);
  read_rows(replies[1], true, map.shards[0].replicas);
  read_rows(replies[2], false, map.sentinels);
  return map;
}

Result<TopologyMap> read_cluster_slots(const Reply& reply, const Node& asked) {
  if (reply.type == Reply::Type::error)
    return fail(ErrorCode::disconnected, fmt::format("it answers: {}", reply.text.substr(0, 200)));
  if (reply.type != Reply::Type::array) return nonsense("CLUSTER SLOTS");
  TopologyMap map;
  for (const Reply& range : reply.elements) {
    if (range.elements.size() < 3) return nonsense("CLUSTER SLOTS");
    const std::int64_t first = range.elements[0].integer;
    const std::int64_t last = range.elements[1].integer;
    if (first < 0 || last < first || last >= static_cast<std::int64_t>(kSlotCount)) return nonsense("CLUSTER SLOTS");
    auto primary = read_slot_node(range.elements[2], asked);
    if (!primary) return nonsense("CLUSTER SLOTS");
    auto shard = std::find_if(map.shards.begin(), map.shards.end(),
                              [&](const ShardMap& known) { return known.primary == *primary; });
    if (shard == map.shards.end()) {
      if (map.shards.size() >= kNodesMax) return nonsense("CLUSTER SLOTS");
      shard = map.shards.insert(shard, ShardMap{std::move(*primary), {}, {}});
      for (std::size_t i = 3; i < range.elements.size(); ++i)
        if (auto replica = read_slot_node(range.elements[i], asked)) shard->replicas.push_back(std::move(*replica));
    }
    shard->slots.emplace_back(static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last));
  }
  if (map.shards.empty()) return fail(ErrorCode::disconnected, "no node of the cluster serves a slot");
  return map;
}

std::string read_id(const Reply& reply) {
  const bool good = reply.type == Reply::Type::text && reply.text.size() <= kIdBytesMax && is_host(reply.text);
  return good ? reply.text : std::string();
}

std::optional<Redirect> read_redirect(std::string_view text, const Node& asked) {
  const auto slot_at = text.find(' ');
  if (slot_at == std::string_view::npos) return std::nullopt;
  text.remove_prefix(slot_at + 1);
  const auto host_at = text.find(' ');
  const auto slot = core::to_number<std::uint16_t>(text.substr(0, host_at));
  if (host_at == std::string_view::npos || !slot || *slot >= kSlotCount) return std::nullopt;
  const auto where = text.substr(host_at + 1);
  const auto colon = where.rfind(':');  // an IPv6 host stands without brackets
  if (colon == std::string_view::npos) return std::nullopt;
  const auto host = where.substr(0, colon);
  const auto port = core::to_number<std::int64_t>(where.substr(colon + 1));
  auto node = to_node(host.empty() || host == "?" ? asked.host : host, port.value_or(0));
  if (!node) return std::nullopt;
  return Redirect{*slot, std::move(*node)};
}

const ShardMap* shard_of(const TopologyMap& map, std::uint16_t slot) {
  for (const ShardMap& shard : map.shards) {
    if (shard.slots.empty()) return &shard;
    for (const auto& [first, last] : shard.slots)
      if (first <= slot && slot <= last) return &shard;
  }
  return nullptr;
}

std::vector<Node> tellers_of(Topology topology, const TopologyMap& map) {
  std::vector<Node> tellers;
  if (topology == Topology::sentinel) {
    tellers = map.sentinels;
    tellers.push_back(map.teller);
    return tellers;
  }
  for (const ShardMap& shard : map.shards) {
    tellers.push_back(shard.primary);
    tellers.insert(tellers.end(), shard.replicas.begin(), shard.replicas.end());
  }
  return tellers;
}

std::optional<TopologyMap> Poll::count(TopologyMap map) {
  if (map.teller_id.empty()) return std::nullopt;
  const auto before = std::find_if(maps_.begin(), maps_.end(),
                                   [&](const TopologyMap& other) { return other.teller_id == map.teller_id; });
  if (before != maps_.end()) maps_.erase(before);
  voters_ = std::max(voters_, map.sentinels.size() + 1);
  maps_.push_back(std::move(map));
  const ShardMap* const newest = shard_of(maps_.back(), slot_);
  if (newest == nullptr) return std::nullopt;
  const auto agreeing = std::count_if(maps_.begin(), maps_.end(), [&](const TopologyMap& other) {
    const ShardMap* const shard = shard_of(other, slot_);
    return shard != nullptr && shard->primary == newest->primary;
  });
  if (static_cast<std::size_t>(agreeing) < needed()) return std::nullopt;
  return maps_.back();
}

std::optional<TopologyMap> Poll::sole() const {
  if (maps_.size() != 1 || shard_of(maps_[0], slot_) == nullptr) return std::nullopt;
  return maps_[0];
}

std::string Poll::describe() const {
  std::string text;
  for (const TopologyMap& map : maps_) {
    const ShardMap* const shard = shard_of(map, slot_);
    text += fmt::format("{}{}", text.empty() ? "" : ", ", shard == nullptr ? "nobody" : to_string(shard->primary));
  }
  return text.empty() ? "nobody" : text;
}

}  // namespace flashsale::redis
