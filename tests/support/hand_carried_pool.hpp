/// A pool with one connection whose round trips the test carries itself: it may lose a reply, or hold a command up.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "core/scripts.hpp"
#include "flashsale/connection_pool.hpp"
#include "support/private_redis.hpp"

namespace flashsale::test {

/// Lends to one thread at a time.
class HandCarriedPool : public ConnectionPool, private Connection {
 public:
  using Carry = std::function<RoundTrip(const std::vector<Command>&)>;
  explicit HandCarriedPool(Carry carry) : carry_(std::move(carry)) {}

  Result<Lease> acquire(Role, std::uint16_t, Deadline) override {
    ++leases;
    return Lease(this, this);
  }
  void report(Connection*, Heard heard, std::string_view) override { broken += heard == Heard::broken; }
  void give_back(Connection*) override {}

  int leases = 0, broken = 0;

 private:
  RoundTrip roundtrip(const std::vector<Command>& commands, Deadline) override { return carry_(commands); }

  const Carry carry_;
};

/// The commands to the server and its replies back.
inline RoundTrip carry_to(PrivateRedis& server, const std::vector<Command>& commands) {
  RoundTrip trip;
  for (const Command& command : commands) trip.replies.push_back(server.command(command));
  return trip;
}

/// Whether the first of them runs the script of that name.
inline bool runs(const std::vector<Command>& commands, std::string_view script) {
  return commands[0][0] == "EVALSHA" && commands[0][1] == core::script(script).sha1;
}

/// What a caller hears whose commands may have been run.
inline RoundTrip lost_reply() { return {{}, Error{ErrorCode::disconnected, Effect::unknown, "the reply was lost"}}; }

}  // namespace flashsale::test
