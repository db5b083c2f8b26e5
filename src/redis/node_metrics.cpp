#include "redis/node_metrics.hpp"

#include <fmt/format.h>

#include <iterator>
#include <map>
#include <memory>
#include <mutex>

#include "util/metrics_writers.hpp"
#include "util/process_mutex.hpp"

namespace flashsale::redis {
namespace {

constexpr std::size_t kNodesMax = 1024;

struct Registry {
  std::mutex& mutex = util::process_mutex(util::ProcessWide::node_metrics);
  std::map<std::string, std::unique_ptr<NodeMetrics>> nodes;  // guarded by mutex
  std::atomic<std::uint64_t> handshakes_full{0}, handshakes_resumed{0};
};

Registry& registry() {
  static Registry& one = *new Registry;  // a pool may outlive main
  return one;
}

void head(std::string& text, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(text), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

template <class T>
void per_node(std::string& text, std::string_view name, std::string_view type, std::string_view help,
              std::atomic<T> NodeMetrics::*number) {
  head(text, name, type, help);
  for (const auto& [node, metrics] : registry().nodes)
    fmt::format_to(std::back_inserter(text), "{}{{node=\"{}\"}} {}\n", name, node, ((*metrics).*number).load());
}

void write(std::string& text) {
  Registry& all = registry();
  std::lock_guard lock(all.mutex);
  per_node(text, "flashsale_redis_connections", "gauge", "Connections open to each node.", &NodeMetrics::connections);
  per_node(text, "flashsale_redis_connects_total", "counter", "Connections opened.", &NodeMetrics::connects);
  per_node(text, "flashsale_redis_connect_failures_total", "counter", "Attempts to connect that failed.",
           &NodeMetrics::failures);
  per_node(text, "flashsale_redis_idle_checks_total", "counter", "Idle connections asked before they were lent.",
           &NodeMetrics::checks);
  per_node(text, "flashsale_redis_redirects_total", "counter", "MOVED and ASK heard.", &NodeMetrics::redirects);
  per_node(text, "flashsale_redis_role_changes_total", "counter", "Answers that a node cannot decide now.",
           &NodeMetrics::role_changes);
  per_node(text, "flashsale_redis_circuit", "gauge", "0 closed, 1 half open, 2 open: nobody tries the node.",
           &NodeMetrics::circuit);
  per_node(text, "flashsale_redis_replica_lag_bytes", "gauge", "Bytes of replication a replica was behind.",
           &NodeMetrics::lag_bytes);
  head(text, "flashsale_tls_handshakes_total", "counter", "TLS handshakes done.");
  fmt::format_to(
      std::back_inserter(text),
      "flashsale_tls_handshakes_total{{resumed=\"no\"}} {}\nflashsale_tls_handshakes_total{{resumed=\"yes\"}} {}\n",
      all.handshakes_full.load(), all.handshakes_resumed.load());
}

}  // namespace

NodeMetrics& node_metrics(std::string node) {
  // A socket's path may hold what a label must not; the name is for people.
  for (char& c : node)
    if (c == '"' || c == '\\' || c == '\n') c = '?';
  Registry& all = registry();
  util::add_metrics_writer(write);
  std::lock_guard lock(all.mutex);
  const bool known = all.nodes.size() < kNodesMax || all.nodes.count(node) > 0;
  auto& place = all.nodes[known ? node : "other"];
  if (!place) place = std::make_unique<NodeMetrics>();
  return *place;
}

void note_handshake(bool resumed) {
  (resumed ? registry().handshakes_resumed : registry().handshakes_full).fetch_add(1, std::memory_order_relaxed);
}

}  // namespace flashsale::redis
