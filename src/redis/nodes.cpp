#include "redis/nodes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace flashsale::redis {
namespace {

constexpr std::size_t kNodesMax = 1024;
constexpr milliseconds kLookEveryMax{500};

enum class Availability { ready, pausing, opening, full };

Pause& fit_of(NodeState& node, Role role) { return node.fit[static_cast<std::size_t>(role)]; }

Availability availability(NodeState& node, Role role, Deadline now, const PoolOptions& options) {
  if (fit_of(node, role).until() > now) return Availability::pausing;
  if (!node.idle.empty()) return Availability::ready;
  if (node.reach.until() > now) return Availability::pausing;
  // One knocks at a node that did not open; the others wait for what it hears.
  if (node.reach.has_failed() && node.opening > 0) return Availability::opening;
  return node.open < options.connections_max ? Availability::ready : Availability::full;
}

Deadline end_of_pause(NodeState& node, Role role) {
  const Deadline fit = fit_of(node, role).until();
  return node.idle.empty() ? std::max(fit, node.reach.until()) : fit;
}

/// True if the choice is made: to try `i`, or to wait for a connection to it.
bool consider(Nodes& nodes, std::size_t i, bool may_wait, Deadline now, const PoolOptions& options, Choice& choice) {
  NodeState& node = nodes.list[i];
  switch (availability(node, Role::primary, now, options)) {
    case Availability::ready:
      choice.node = i;
      return true;
    case Availability::full:
      choice.full = may_wait;
      return may_wait;
    case Availability::opening:
      return false;
    case Availability::pausing:
      choice.again = std::min(choice.again, end_of_pause(node, Role::primary));
      return false;
  }
  return false;
}

Choice choose_primary(Nodes& nodes, const Shard& shard, Deadline now, const PoolOptions& options) {
  Choice choice;
  choice.primary = shard.primary;
  // The primary is known and only busy: nobody else is asked for its role.
  if (consider(nodes, shard.primary, true, now, options, choice)) return choice;
  if (nodes.topology != Topology::replicas) return choice;
  for (std::size_t i = 0; i < nodes.list.size(); ++i)
    if (i != shard.primary && consider(nodes, i, false, now, options, choice)) return choice;
  return choice;
}

/// The newest sample of the primary's offset is too old, and nobody is taking another.
bool is_look_due(const NodeState& primary, Deadline now, const PoolOptions& options) {
  return now - primary.looked_at >= look_every(options);
}

std::optional<Choice> choose_replica(Nodes& nodes, Shard& shard, Deadline now, const PoolOptions& options) {
  NodeState& primary = nodes.list[shard.primary];
  for (std::size_t k = 0; k < shard.replicas.size(); ++k) {
    const std::size_t i = shard.replicas[(shard.turn + k) % shard.replicas.size()];
    NodeState& node = nodes.list[i];
    if (i == shard.primary || availability(node, Role::replica, now, options) != Availability::ready) continue;
    const bool looks = node.standing != Standing::replica || is_look_due(node, now, options);
    if (!looks && stale_replica(node, primary, now, options)) continue;
    shard.turn += k + 1;
    Choice choice;
    choice.node = i;
    choice.primary = shard.primary;
    choice.role = Role::replica;
    return choice;
  }
  return std::nullopt;
}

std::optional<Choice> choose_asked(Nodes& nodes, std::uint16_t slot, Deadline now, const PoolOptions& options) {
  const auto ask =
      std::find_if(nodes.asks.begin(), nodes.asks.end(), [&](const Nodes::Ask& heard) { return heard.slot == slot; });
  if (ask == nodes.asks.end()) return std::nullopt;
  Choice choice;
  choice.primary = ask->node;
  choice.asking = true;
  nodes.asks.erase(ask);
  // A node that cannot be reached now is asked again after the next ASK.
  if (!consider(nodes, choice.primary, true, now, options, choice) || !choice.node) return std::nullopt;
  return choice;
}

void retire(NodeState& node) {
  node.listed = false;
  doubt(node);
}

void list_node(NodeState& node, bool is_replica) {
  if (node.listed && node.is_replica == is_replica) return;
  doubt(node);
  node.listed = true;
  node.is_replica = is_replica;
  node.fit = {};
}

}  // namespace

void Pause::failed(Deadline now, milliseconds shortest, milliseconds longest, std::uint64_t random) {
  if (now < until_) return;
  const unsigned doublings = std::min(failures_++, 16u);
  const milliseconds whole = std::min(longest, shortest * (std::int64_t{1} << doublings));
  const auto half = std::chrono::duration_cast<std::chrono::microseconds>(whole) / 2;
  until_ = now + half + std::chrono::microseconds(random % (static_cast<std::uint64_t>(half.count()) + 1));
}

Shard* Nodes::shard_for(std::uint16_t slot) {
  if (topology != Topology::cluster) return shards.empty() ? nullptr : &shards[0];
  const std::uint16_t shard = slot < shard_of_slot.size() ? shard_of_slot[slot] : kNoShard;
  return shard < shards.size() ? &shards[shard] : nullptr;
}

Choice choose(Nodes& nodes, Role role, std::uint16_t slot, Deadline now, const PoolOptions& options) {
  Shard* const shard = nodes.shard_for(slot);
  if (shard == nullptr) return {};
  if (role == Role::primary) {
    if (auto choice = choose_asked(nodes, slot, now, options)) return *choice;
  } else if (nodes.has_roles() && !shard->replicas.empty()) {
    if (is_look_due(nodes.list[shard->primary], now, options)) {
      Choice look = choose_primary(nodes, *shard, now, options);
      look.looks = true;
      if (look.node == shard->primary) return look;
    }
    if (auto choice = choose_replica(nodes, *shard, now, options)) return *choice;
  }
  return choose_primary(nodes, *shard, now, options);
}

bool suits(Standing standing, Role role) {
  return standing == (role == Role::primary ? Standing::primary : Standing::replica);
}

milliseconds look_every(const PoolOptions& options) {
  return std::clamp(options.replica_lag_max / 4, milliseconds{1}, kLookEveryMax);
}

std::optional<std::string> stale_replica(const NodeState& replica, const NodeState& primary, Deadline now,
                                         const PoolOptions& options) {
  const auto lag = primary.trail.lag_of(replica.offset, now);
  if (!lag) return "behind its primary, nobody knows how far";
  if (lag->bytes > options.replica_lag_bytes_max) return fmt::format("{} bytes behind its primary", lag->bytes);
  if (lag->time > options.replica_lag_max) return fmt::format("{} ms behind its primary", lag->time.count());
  return std::nullopt;
}

std::optional<std::size_t> find_or_add(Nodes& nodes, const Node& address) {
  std::optional<std::size_t> free;
  for (std::size_t i = 0; i < nodes.list.size(); ++i) {
    const NodeState& node = nodes.list[i];
    if (node.address == address) return i;
    if (!node.listed && node.open == 0) free = i;
  }
  if (!free) {
    if (nodes.list.size() >= kNodesMax) return std::nullopt;
    nodes.list.emplace_back();
    free = nodes.list.size() - 1;
  }
  NodeState& node = nodes.list[*free];
  const std::uint64_t generation = node.generation + 1;
  node = NodeState{};
  node.generation = generation;
  node.address = address;
  node.metrics = &node_metrics(to_string(address));
  return free;
}

void adopt(Nodes& nodes, const TopologyMap& map) {
  const auto unnamed = nodes.list.size();
  std::vector<bool> named(unnamed, false);
  std::vector<Shard> shards;
  std::vector<std::uint16_t> shard_of_slot(nodes.topology == Topology::cluster ? kSlotCount : 0, Nodes::kNoShard);
  const auto place = [&](const Node& address, bool is_replica) {
    const auto at = find_or_add(nodes, address);
    if (!at) return at;
    named.resize(nodes.list.size(), false);
    named[*at] = true;
    list_node(nodes.list[*at], is_replica);
    return at;
  };
  for (const ShardMap& shard : map.shards) {
    const auto primary = place(shard.primary, false);
    if (!primary) continue;
    Shard made;
    made.primary = *primary;
    for (const Node& replica : shard.replicas) {
      if (replica == shard.primary) continue;
      if (const auto at = place(replica, true)) made.replicas.push_back(*at);
    }
    for (const auto& [first, last] : shard.slots)
      std::fill(shard_of_slot.begin() + first, shard_of_slot.begin() + last + 1,
                static_cast<std::uint16_t>(shards.size()));
    shards.push_back(std::move(made));
  }
  for (std::size_t i = 0; i < named.size(); ++i)
    if (!named[i] && nodes.list[i].listed) retire(nodes.list[i]);
  nodes.shards = std::move(shards);
  nodes.shard_of_slot = std::move(shard_of_slot);
}

void move_slot(Nodes& nodes, std::uint16_t slot, std::size_t node) {
  list_node(nodes.list[node], false);
  auto shard =
      std::find_if(nodes.shards.begin(), nodes.shards.end(), [&](const Shard& known) { return known.primary == node; });
  if (shard == nodes.shards.end()) {
    // A replica that was promoted is no replica of its old primary any more.
    for (Shard& other : nodes.shards)
      other.replicas.erase(std::remove(other.replicas.begin(), other.replicas.end(), node), other.replicas.end());
    shard = nodes.shards.insert(shard, Shard{node, {}, 0});
  }
  if (slot < nodes.shard_of_slot.size())
    nodes.shard_of_slot[slot] = static_cast<std::uint16_t>(shard - nodes.shards.begin());
}

void doubt(NodeState& node) {
  ++node.generation;
  node.standing = Standing::unknown;
  count_open(node, -static_cast<int>(node.idle.size()));
  node.idle.clear();
}

void count_open(NodeState& node, int more) {
  node.open += static_cast<std::size_t>(more);
  if (node.metrics != nullptr) node.metrics->connections += more;
}

std::string describe_trouble(Nodes& nodes, std::uint16_t slot) {
  if (nodes.topology != Topology::replicas) {
    const Shard* const shard = nodes.shard_for(slot);
    return shard == nullptr ? std::string() : nodes.list[shard->primary].trouble;
  }
  std::string text = "none of the nodes is a primary that answers";
  for (const NodeState& node : nodes.list) {
    if (!node.trouble.empty()) text += fmt::format("; {}", node.trouble);
  }
  return text;
}

}  // namespace flashsale::redis
