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
///   redis://[[user]:password@]host[:port][/db]        one node over TCP; port 6379, db 0
///   redis+unix://[[user]:password@]/path              one node over a unix socket
///   redis+replicas://[...@]host[:port],...[/db]       a static list: reads to replicas, decisions to the primary
///   redis+sentinel://[...@]host[:port],.../NAME[/db]  sentinels, port 26379, that know the primary called NAME
///   redis+cluster://[...@]host[:port],...             seeds of a cluster; one of them that answers is enough
///
/// With `rediss` in place of `redis` (but for redis+unix) every connection, to sentinels too, speaks TLS 1.2 or newer
/// and verifies the peer's certificate and host name. After the rest may stand `?NAME=VALUE&...`:
///
///   db                                                  0..65535, as after the hosts
///   user, password, password_file, password_env         who to log in as; the file's first line or the variable is
///                                                       read for each connection, so that it may be rotated
///   sentinel_user, sentinel_password, ..._file, ..._env the same at the sentinels; without them no AUTH is sent
///   tls_ca, tls_cert, tls_key                           PEM files: whom to believe (else the system's), who we are
///   tls_name                                            the name that every node's certificate must be for, where
///                                                       nodes are known by addresses (else the host connected to)
///   tls_verify                                          full (the default) or none
///   connect_timeout_ms, reconnect_min_ms, reconnect_max_ms, replica_lag_max_ms, replica_lag_max_bytes,
///   connections_max, idle_check_ms                      as in PoolOptions, before which they go
///
/// User, password and values may be %-encoded. IPv6 hosts stand in brackets. At most 32 hosts and 4,096 bytes.
/// Errors: invalid_argument (the part that does not parse is named; no byte of the URL is repeated), unsupported (the
/// scheme; TLS in a library built without it).
/// The gate, controller and worker made with the pool share its ownership.
[[nodiscard]] Result<std::shared_ptr<ConnectionPool>> make_pool(std::string_view url, PoolOptions options = {});

/// `url` as it may be printed: users and passwords replaced by `***`, wherever they stand.
[[nodiscard]] std::string redacted(std::string_view url);

}  // namespace flashsale
