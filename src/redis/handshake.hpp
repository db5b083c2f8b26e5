/// What is said on a new connection before it is lent, and to one that was idle for long.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flashsale/connection.hpp"

namespace flashsale::redis {

/// Which part a node plays, as it says itself.
enum class Standing : std::uint8_t {
  unknown,  ///< not asked, or it has to be asked again
  primary,
  replica,   ///< with its link to the primary up
  unlinked,  ///< a replica without its primary: what it shows may be old
};
std::string_view name(Standing standing);

/// The reply to ROLE.
struct Part {
  Standing standing = Standing::unknown;
  std::int64_t offset = 0;  ///< bytes of replication written (a primary) or taken in (a replica)
};

/// What to say on a new connection. Empty user and password: no AUTH; db 0: no SELECT.
struct Login {
  std::string user;
  std::string password;
  std::uint16_t db = 0;
  bool reads_only = false;  ///< READONLY: a cluster's replica then answers reads itself
};

/// Logs in, checks that the node answers, and asks for its part if `ask_role`; one round trip.
/// Errors, all with effect none: refused (login or permission), disconnected, timed_out, protocol.
Result<Part> greet(Connection& connection, const Login& login, bool ask_role, Deadline deadline);

/// Reads the reply to ROLE. Pure.
Part part_of(const Reply& role);

}  // namespace flashsale::redis
