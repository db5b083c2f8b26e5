/// The locks of what a process has once, and a fork that waits for them.
#pragma once

#include <cstddef>
#include <mutex>

namespace flashsale::util {

/// In the order in which they nest: whoever holds one takes only those behind it.
enum class ProcessWide : std::size_t { log, log_lines, endpoints, node_metrics, open_files };

/// The mutex for `what`. Whoever forks takes all of them first and lets go on both sides: a thread of the parent that
/// held one would leave it locked in the child for ever. They are here together since handlers of their own would each
/// take one in the order of who came first, against the order in which they nest. Nobody forks while holding one.
std::mutex& process_mutex(ProcessWide what);

}  // namespace flashsale::util
