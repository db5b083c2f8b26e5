#include "redis/nodes.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace flashsale::redis {
namespace {

enum class Availability { ready, pausing, opening, full };

Availability availability(const NodeState& node, Role role, Deadline now, std::size_t connections_max) {
  if (node.fit[static_cast<std::size_t>(role)].until() > now) return Availability::pausing;
  if (!node.idle.empty()) return Availability::ready;
  if (node.reach.until() > now) return Availability::pausing;
  // One knocks at a node that did not open; the others wait for what it hears.
  if (node.reach.has_failed() && node.opening > 0) return Availability::opening;
  return node.open < connections_max ? Availability::ready : Availability::full;
}

Deadline end_of_pause(const NodeState& node, Role role) {
  const Deadline fit = node.fit[static_cast<std::size_t>(role)].until();
  return node.idle.empty() ? std::max(fit, node.reach.until()) : fit;
}

Choice choose_primary(const Nodes& nodes, Deadline now, std::size_t connections_max) {
  Choice choice;
  const std::size_t count = nodes.roles ? nodes.list.size() : 1;
  for (std::size_t k = 0; k < count; ++k) {
    // The known primary, then all in the order of the list.
    const std::size_t i = k == 0 ? nodes.primary : (k <= nodes.primary ? k - 1 : k);
    const NodeState& node = nodes.list[i];
    switch (availability(node, Role::primary, now, connections_max)) {
      case Availability::ready:
        choice.node = i;
        return choice;
      case Availability::full:
        if (k > 0) break;
        choice.full = true;  // the primary is known and only busy: nobody else is asked for its role
        return choice;
      case Availability::opening:
        break;
      case Availability::pausing:
        choice.again = std::min(choice.again, end_of_pause(node, Role::primary));
        break;
    }
  }
  return choice;
}

}  // namespace

void Pause::failed(Deadline now, const PoolOptions& options, std::uint64_t random) {
  if (now < until_) return;
  const unsigned doublings = std::min(failures_++, 16u);
  const milliseconds whole = std::min(options.reconnect_max, options.reconnect_min * (std::int64_t{1} << doublings));
  const auto half = std::chrono::duration_cast<std::chrono::microseconds>(whole) / 2;
  until_ = now + half + std::chrono::microseconds(random % (static_cast<std::uint64_t>(half.count()) + 1));
}

Choice choose(Nodes& nodes, Role role, Deadline now, std::size_t connections_max) {
  if (nodes.roles && role == Role::replica) {
    for (std::size_t k = 0; k < nodes.list.size(); ++k) {
      const std::size_t i = (nodes.turn + k) % nodes.list.size();
      if (i == nodes.primary) continue;
      if (availability(nodes.list[i], role, now, connections_max) != Availability::ready) continue;
      nodes.turn = i + 1;
      Choice choice;
      choice.node = i;
      choice.role = Role::replica;
      return choice;
    }
  }
  return choose_primary(nodes, now, connections_max);
}

bool suits(Standing standing, Role role) {
  return standing == (role == Role::primary ? Standing::primary : Standing::replica);
}

std::string describe_trouble(const Nodes& nodes) {
  if (!nodes.roles) return nodes.list[0].trouble;
  std::string text = "none of the nodes is a primary that answers";
  for (const NodeState& node : nodes.list) {
    if (!node.trouble.empty()) text += fmt::format("; {}", node.trouble);
  }
  return text;
}

}  // namespace flashsale::redis
