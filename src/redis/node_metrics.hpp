/// What the process's pools met at each node, for metrics.hpp. Shared by all pools, so that two of them on one node
/// are one line each.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

namespace flashsale::redis {

/// Lives as long as the process.
struct NodeMetrics {
  std::atomic<std::int64_t> connections{0};    ///< open now
  std::atomic<std::uint64_t> connects{0};      ///< opened so far
  std::atomic<std::uint64_t> failures{0};      ///< attempts to open that failed
  std::atomic<std::uint64_t> checks{0};        ///< idle connections PINGed before they were lent
  std::atomic<std::uint64_t> redirects{0};     ///< MOVED and ASK heard
  std::atomic<std::uint64_t> role_changes{0};  ///< READONLY, MASTERDOWN, LOADING or CLUSTERDOWN heard
  std::atomic<std::int64_t> circuit{0};        ///< 0 closed, 1 half open (one knocks), 2 open (nobody does)
  std::atomic<std::int64_t> lag_bytes{0};      ///< of a replica, at the last look
};

/// The numbers of the node of that name. Bounded: the 1,025th name and all after it share one, called `other`.
NodeMetrics& node_metrics(std::string node);

/// One TLS handshake done.
void note_handshake(bool resumed);

}  // namespace flashsale::redis
