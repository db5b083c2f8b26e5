/// The library's own connection pool, from a URL.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "flashsale/connection_pool.hpp"
#include "flashsale/options.hpp"

namespace flashsale {

/// Makes a pool for `url`; parses only, the first lease connects.
///
///   redis://[[user]:password@]host[:port][/db]              one node over TCP; port 6379, db 0
///   redis+unix://[[user]:password@]/path[?db=N]             one node over a unix socket
///   redis+replicas://[[user]:password@]primary[:port],replica[:port],...[/db]
///                                                           a static list: reads to replicas, decisions to the primary
///
/// User and password may be %-encoded. IPv6 hosts stand in brackets. The whole URL has at most 4,096 bytes.
/// Errors: invalid_argument (the part that does not parse is named; the password never is), unsupported (scheme).
/// The gate, controller and worker made with the pool share its ownership.
[[nodiscard]] Result<std::shared_ptr<ConnectionPool>> make_pool(std::string_view url, PoolOptions options = {});

/// `url` as it may be printed: user and password replaced by `***`.
[[nodiscard]] std::string redacted(std::string_view url);

}  // namespace flashsale
