#include "support/topologies.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>

#include "support/process.hpp"
#include "support/server_programs.hpp"

namespace flashsale::test {
namespace {

constexpr milliseconds kPatience{60'000};

void must(bool held, const std::string& what) {
  if (!held) throw std::runtime_error("topology: " + what);
}

bool runs(const PrivateRedis& server) { return server.pid() > 0; }

std::string port_named_by(PrivateRedis& sentinel) {
  return sentinel.command({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"}).elements.at(1).text;
}

bool is_primary(PrivateRedis& server) { return server.command({"ROLE"}).elements.at(0).text == "master"; }

/// Redis 7 says in words what a node is, one line each: `<id> <ip:port@port> <flags> ...`.
bool says(PrivateRedis& node, const std::vector<std::string_view>& command, std::string_view words) {
  return node.command(command).text.find(words) != std::string::npos;
}

/// By its id: since 7.2 the port that is said depends on whether it is asked for over TLS.
bool serves(PrivateRedis& node, std::uint16_t slot) {
  if (!is_primary(node)) return false;
  const std::string id = node.command({"CLUSTER", "MYID"}).text;
  const Reply slots = node.command({"CLUSTER", "SLOTS"});
  for (const Reply& range : slots.elements) {
    const bool inside = range.elements.at(0).integer <= slot && slot <= range.elements.at(1).integer;
    if (inside && range.elements.at(2).elements.at(2).text == id) return true;
  }
  return false;
}

/// Quick to replicate.
std::unique_ptr<PrivateRedis> quick_server(const Transport& transport, std::vector<std::string> arguments = {}) {
  for (const auto& more : {quick_replication(), transport.arguments})
    arguments.insert(arguments.end(), more.begin(), more.end());
  return std::make_unique<PrivateRedis>(std::move(arguments), transport.tcp);
}

}  // namespace

std::string address_of(const PrivateRedis& server) { return fmt::format("127.0.0.1:{}", server.port()); }

std::vector<std::string> quick_replication() {
  return {"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", "--repl-backlog-ttl", "0"};
}

Transport over_tls(Authority& authority) {
  const std::string ca = authority.file();
  return {Tcp::tls, tls_arguments(authority, authority.issue("IP:127.0.0.1")), "rediss", "?tls_ca=" + ca,
          " --tls --cacert " + ca};
}

PairSetup::PairSetup(Transport transport) : transport_(std::move(transport)) {
  primary = quick_server(transport_);
  replica = quick_server(transport_);
  replica->replica_of(*primary);
}

std::string PairSetup::url() const {
  return fmt::format("{}+replicas://{},{}{}", transport_.scheme, address_of(*primary), address_of(*replica),
                     transport_.parameters);
}

void PairSetup::fail_over() {
  primary->command({"FAILOVER"});
  must(eventually([&] { return is_primary(*replica); }, kPatience), "no failover by command");
}

SentinelSetup::SentinelSetup(Transport transport) : transport_(std::move(transport)) {
  for (int i = 0; i < 3; ++i) servers.push_back(quick_server(transport_));
  servers[1]->replica_of(*servers[0]);
  servers[2]->replica_of(*servers[0]);
  // A busy machine stalls a healthy server for a second now and then: that must be no failover.
  const std::string config = fmt::format(
      "sentinel monitor shop 127.0.0.1 {} 2\nsentinel down-after-milliseconds shop 3000\n"
      "sentinel failover-timeout shop 6000\nsentinel parallel-syncs shop 2\n",
      servers[0]->port());
  std::vector<std::string> arguments{"--sentinel"};
  arguments.insert(arguments.end(), transport_.arguments.begin(), transport_.arguments.end());
  for (int i = 0; i < 3; ++i)
    sentinels.push_back(std::make_unique<PrivateRedis>(arguments, transport_.tcp, "", config));
  const bool met = eventually(
      [&] {
        for (const auto& sentinel : sentinels) {
          if (sentinel->command({"SENTINEL", "SENTINELS", "shop"}).elements.size() != 2) return false;
          if (sentinel->command({"SENTINEL", "REPLICAS", "shop"}).elements.size() != 2) return false;
        }
        return true;
      },
      kPatience);
  must(met, "the sentinels did not find each other");
}

std::string SentinelSetup::url() const {
  return fmt::format("{}+sentinel://{},{},{}/shop{}", transport_.scheme, address_of(*sentinels[0]),
                     address_of(*sentinels[1]), address_of(*sentinels[2]), transport_.parameters);
}

PrivateRedis& SentinelSetup::sentinel() {
  for (const auto& sentinel : sentinels)
    if (runs(*sentinel) && !is_stopped(sentinel->pid())) return *sentinel;
  throw std::runtime_error("topology: no sentinel");
}

PrivateRedis& SentinelSetup::primary() {
  PrivateRedis* found = nullptr;
  const bool there = eventually(
      [&] {
        const std::string port = port_named_by(sentinel());
        for (const auto& server : servers)
          if (runs(*server) && port == std::to_string(server->port())) found = server.get();
        return found != nullptr && is_primary(*found);
      },
      kPatience);
  must(there, "no primary");
  return *found;
}

void SentinelSetup::await_successor(const PrivateRedis& old) {
  const bool moved = eventually([&] { return port_named_by(*sentinels[1]) != std::to_string(old.port()); }, kPatience);
  must(moved, "the sentinels name no successor");
  primary();
}

void SentinelSetup::fail_over() {
  PrivateRedis& old = primary();
  const bool begun = eventually(
      [&] {
        return sentinels[1]->command({"SENTINEL", "FAILOVER", "shop"}).type != Reply::Type::error;
      },
      kPatience);
  must(begun, "the sentinels refuse a failover");
  await_successor(old);
}

void SentinelSetup::wait_whole() {
  const bool whole = eventually(
      [&] {
        PrivateRedis& now = primary();
        std::size_t running = 0;
        for (const auto& server : servers) running += runs(*server) ? 1 : 0;
        for (const auto& sentinel : sentinels)
          if (runs(*sentinel) && port_named_by(*sentinel) != std::to_string(now.port())) return false;
        return now.command({"ROLE"}).elements.at(2).elements.size() == running - 1;
      },
      kPatience);
  must(whole, "the replicas did not come back");
}

ClusterSetup::ClusterSetup(Transport transport) : transport_(std::move(transport)) {
  std::string create = server_programs().cli + transport_.cli_options + " --cluster create";
  for (int i = 0; i < 6; ++i) {
    nodes.push_back(
        quick_server(transport_, {"--cluster-enabled", "yes", "--cluster-node-timeout", "3000",
                                  "--cluster-replica-validity-factor", "0", "--cluster-require-full-coverage", "no"}));
    create += " " + address_of(*nodes.back());
  }
  create += " --cluster-replicas 1 --cluster-yes > " + nodes[0]->dir() + "/create.log 2>&1";
  must(std::system(create.c_str()) == 0, "--cluster create failed");
  wait_ok();
  for (const auto& node : nodes) {
    const bool linked = eventually(
        [&] { return is_primary(*node) || node->command({"ROLE"}).elements.at(3).text == "connected"; }, kPatience);
    must(linked, "a replica did not find its primary");
  }
}

std::string ClusterSetup::url() const {
  std::string text = transport_.scheme + "+cluster://";
  for (const auto& node : nodes) text += (text.back() == '/' ? "" : ",") + address_of(*node);
  return text + transport_.parameters;
}

PrivateRedis& ClusterSetup::primary_of(std::uint16_t slot) {
  PrivateRedis* found = nullptr;
  const bool there = eventually(
      [&] {
        for (const auto& node : nodes)
          if (runs(*node) && serves(*node, slot)) found = node.get();
        return found != nullptr;
      },
      kPatience);
  must(there, "nobody serves the slot");
  return *found;
}

PrivateRedis& ClusterSetup::replica_of(std::uint16_t slot) {
  PrivateRedis* found = nullptr;
  const bool there = eventually(
      [&] {
        const auto port = primary_of(slot).port();
        for (const auto& node : nodes) {
          if (!runs(*node)) continue;
          const Reply role = node->command({"ROLE"});
          if (role.elements.at(0).text != "slave" || role.elements.at(2).integer != port) continue;
          if (role.elements.at(3).text == "connected") found = node.get();
        }
        return found != nullptr;
      },
      kPatience);
  must(there, "the slot's primary has no replica");
  return *found;
}

// It gives up after five seconds where the machine is too busy for it; then it is asked again.
void ClusterSetup::fail_over(std::uint16_t slot) {
  PrivateRedis& node = replica_of(slot);
  for (int tries = 0; tries < 10 && !is_primary(node); ++tries) {
    node.command({"CLUSTER", "FAILOVER"});
    eventually([&] { return is_primary(node); }, milliseconds{7000});
  }
  must(is_primary(node), "no failover by command");
}

void ClusterSetup::wait_ok() {
  const bool ok = eventually(
      [&] {
        for (const auto& node : nodes)
          if (runs(*node) && !says(*node, {"CLUSTER", "INFO"}, "cluster_state:ok")) return false;
        return true;
      },
      kPatience);
  must(ok, "the cluster is not in order");
}

std::string ClusterSetup::id_of(PrivateRedis& node) { return node.command({"CLUSTER", "MYID"}).text; }

void ClusterSetup::move_slot(std::uint16_t slot) {
  PrivateRedis& from = primary_of(slot);
  PrivateRedis* to = nullptr;
  for (const auto& node : nodes)
    if (node.get() != &from && runs(*node) && is_primary(*node) &&
        !node->command({"CLUSTER", "SLOTS"}).elements.empty())
      to = node.get();
  must(to != nullptr, "no other primary");
  const std::string number = std::to_string(slot), from_id = id_of(from), to_id = id_of(*to);
  const std::string port = std::to_string(to->port());
  to->command({"CLUSTER", "SETSLOT", number, "IMPORTING", from_id});
  from.command({"CLUSTER", "SETSLOT", number, "MIGRATING", to_id});
  for (;;) {
    const Reply keys = from.command({"CLUSTER", "GETKEYSINSLOT", number, "1"});
    if (keys.elements.empty()) break;
    const Reply moved = from.command({"MIGRATE", "127.0.0.1", port, keys.elements[0].text, "0", "10000"});
    must(moved.type != Reply::Type::error, "MIGRATE: " + moved.text);
  }
  to->command({"CLUSTER", "SETSLOT", number, "NODE", to_id});
  from.command({"CLUSTER", "SETSLOT", number, "NODE", to_id});
  for (const auto& node : nodes)
    if (runs(*node) && node.get() != to && node.get() != &from && is_primary(*node))
      node->command({"CLUSTER", "SETSLOT", number, "NODE", to_id});
}

EndpointSetup::EndpointSetup(milliseconds late, ProxyHabits habits) {
  for (int i = 0; i < 3; ++i) servers.push_back(quick_server({}));
  servers[1]->replica_of(*servers[0]);
  late_link = std::make_unique<WireProxy>(address_of(*servers[0]), Tcp::yes);
  late_link->delay_replies(late);
  servers[2]->command({"REPLICAOF", "127.0.0.1", std::to_string(late_link->port())});
  servers[2]->wait_linked();
  proxy = std::make_unique<SplittingProxy>(roles(), habits);
}

SplittingProxy::Servers EndpointSetup::roles() const {
  SplittingProxy::Servers now{address_of(*servers[primary_]), {}};
  for (std::size_t i = 0; i < servers.size(); ++i)
    if (i != primary_) now.replicas.push_back(address_of(*servers[i]));
  return now;
}

void EndpointSetup::fail_over() {
  const std::size_t next = 1 - primary_;
  primary().command({"FAILOVER", "TO", "127.0.0.1", std::to_string(servers[next]->port()), "TIMEOUT", "20000"});
  must(eventually([&] { return is_primary(*servers[next]); }, kPatience), "no failover by command");
  primary_ = next;
  proxy->repoint(roles());
  late_link->redirect(address_of(primary()));
  for (std::size_t i = 0; i < servers.size(); ++i)
    if (i != primary_) servers[i]->wait_linked();
}

}  // namespace flashsale::test
