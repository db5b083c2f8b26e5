/// Every knob with its default and the reason for it. Plain structs; copied by what is made with them.
/// A value outside its bounds is brought to the nearer one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "flashsale/types.hpp"

namespace flashsale {

/// The largest PoolOptions::replica_lag_bytes_max: 1 TiB.
inline constexpr std::int64_t kReplicaLagBytesMax = std::int64_t{1} << 40;

/// Of make_pool.
struct PoolOptions {
  // Behaviour
  milliseconds connect_timeout{1000};  ///< one attempt: look-up, connect, TLS, AUTH, SELECT, ROLE. 1 ms..30 s
  milliseconds reconnect_min{5};       ///< the first pause after a failed attempt; grows twofold, jittered. 1 ms..30 s
  milliseconds reconnect_max{1000};    ///< the longest such pause; a recovered Redis is seen within it. 1 ms..30 s
  milliseconds replica_lag_max{2000};  ///< a replica further behind its primary is not read. 1 ms..30 s
  std::int64_t replica_lag_bytes_max{16 << 20};  ///< the same in bytes of replication, 0..kReplicaLagBytesMax

  // Performance
  std::size_t connections_max = 64;  ///< to one node, 1..1024; more leases wait for one to come back
  milliseconds idle_check{5000};     ///< a connection idle for longer is PINGed before it is lent
};

/// Of a StockGate.
struct GateOptions {
  // Behaviour
  milliseconds timeout{250};             ///< of a call that names none. 1 ms..30 s
  Level level = Level::usual;            ///< of a call that names none; usual: a confirm's is `database` where the sale
                                         ///< has one, everything else's is `primary`
  std::size_t payload_bytes_max = 1024;  ///< 0..kPayloadBytesMax; a longer payload is invalid_argument

  // Performance
  bool view = true;       ///< refuse without Redis whom it would refuse: nanoseconds a loser, no connection, no memory.
                          ///< Needs a worker, which publishes who won; without one every call goes to Redis
  std::size_t lanes = 2;  ///< 1..16. Two keep Redis' one core busy: one batch runs while one travels.
                          ///< One lane keeps the order in which calls were submitted
  std::size_t batch_max = 512;         ///< requests in one script call, 1..512; 512 take about 1.3 ms of Redis' core
  std::size_t waiting_max = 65'536;    ///< requests accepted and not answered, 1..1,048,576; one more is `busy`
  std::size_t receipts_max = 131'072;  ///< of a gate with a sink: receipts kept until the database has their orders,
                                       ///< 1..1,048,576, about 150 bytes each and 64 MiB in all; then the oldest goes
};

/// Of a SaleController.
struct ControllerOptions {
  milliseconds timeout{5000};  ///< of one act, with its way to the database. 1 ms..60 s
  std::string by{};  ///< who acts, for the record of repairs: as a buyer's id. Empty: the process' user and host
};

/// Of an OrderWorker.
struct WorkerOptions {
  // Behaviour
  milliseconds watch_every{1000};   ///< how often the fence and what is untold are looked at
  milliseconds call_timeout{2000};  ///< of one round trip or one transaction
  bool reconcile = true;            ///< reconcile by itself when the fence fires

  // Performance
  milliseconds idle{5};                  ///< the pause after a look that found nothing
  std::size_t orders_per_commit = 1000;  ///< aimed at, 1..10,000; fsync is paid once per commit
};

}  // namespace flashsale
