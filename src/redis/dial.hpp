/// From a node's address to a connection that has said who it is. Does I/O; knows no pool.
#pragma once

#include <memory>

#include "redis/channel.hpp"
#include "redis/handshake.hpp"
#include "redis/tls.hpp"
#include "redis/url.hpp"

namespace flashsale::redis {

/// Connects to `node`, and shakes hands if `tls` is there.
/// Errors, all with effect none: as Socket::connect and Tls::shake_hands.
Result<Channel> dial(const Node& node, Tls* tls, Deadline deadline);

/// What to say as `user`: its password as it is now.
Result<Login> login_as(const User& user);

}  // namespace flashsale::redis
