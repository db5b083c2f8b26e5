/// What the workloads with a database share.
#pragma once

#include <stdexcept>

#include "flashsale/flashsale.hpp"
#include "support/private_postgres.hpp"

namespace flashsale::bench {

/// The value of a call that must succeed; else std::runtime_error.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(to_string(result.error()));
  return std::move(*result);
}

/// A PostgreSQL that syncs its log, as one that keeps orders does; started when it is first asked for.
inline test::PrivatePostgres& synced_postgres() {
  static test::PrivatePostgres server({"fsync=on", "shared_buffers=256MB", "max_wal_size=4GB"});
  return server;
}

}  // namespace flashsale::bench
