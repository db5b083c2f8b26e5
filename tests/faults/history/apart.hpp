/// What a night can have of its own: small disks, and a network with each Redis in a namespace and three links that can
/// be cut.
///
///   clients, workers  -- 10.77.1.0/24 --  node 0
///                     -- 10.77.2.0/24 --  node 1
///   node 0            -- 10.77.9.0/24 --  node 1     (replication)
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>

namespace flashsale::history {

/// Runs `night` on a thread with network and mounts of its own, which vanish with it. False if we may not: needs root.
bool run_apart(const std::function<void()>& night);

/// A new folder with room for so many MiB; inside run_apart.
void mount_small_disk(const std::string& path, int mib);

std::string address_of_node(std::size_t node);              ///< as clients reach it
std::string replication_address_of_node(std::size_t node);  ///< as the other node does

/// Lays the links between this thread's namespace and those of two servers.
void connect_nodes(pid_t node_0, pid_t node_1);

/// `ip` with these words, in this thread's namespace, or in that of a process. True if it succeeded.
bool run_ip(const std::string& words, pid_t inside = 0);

/// The link between clients and a node, and that between the nodes. True if it was done.
bool set_client_link(std::size_t node, bool up);
bool set_replication_link(pid_t node_0, bool up);

}  // namespace flashsale::history
