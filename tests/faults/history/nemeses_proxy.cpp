// A proxy that sends reads to a late replica, between everybody and Redis, under what befalls Redis and processes
// anyhow: no fault of its own, but each of these is followed by reads from which much is concluded.
#include <stdexcept>

#include "faults/history/nemeses.hpp"

namespace flashsale::history {
namespace {

Nemesis of(const Group& group, std::string_view name) {
  for (const Nemesis& nemesis : group.nemeses)
    if (nemesis.name == name) return nemesis;
  throw std::runtime_error("no such nemesis: " + std::string(name));
}

}  // namespace

Group behind_proxy() {
  return {
      "behind a proxy",
      [](Plan& plan) {
        plan.proxied = plan.replica = true;
        plan.levels = "primary,replicas,database";
        plan.hold = plan.seed % 2 == 0 ? milliseconds{0} : milliseconds{1500};
      },
      false,
      {of(processes(), "worker killed at a named point"), of(processes(), "reconcile killed at a named point"),
       of(processes(), "client killed"), of(redis_always(), "Redis killed (always)"),
       of(failovers(), "failover by command"), of(failovers(), "failover, the replica behind"),
       of(failovers(), "replication frozen"), of(servers(), "scripts flushed"), of(servers(), "connections killed"),
       of(servers(), "history id changed"), of(deletions(), "all keys flushed"), of(deletions(), "buyers deleted")}};
}

}  // namespace flashsale::history
