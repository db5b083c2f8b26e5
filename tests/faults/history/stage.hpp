/// The processes of one night: a sale in a private Redis (with a replica, if it is to have one) and a database, clients
/// and workers as processes of their own, and between all of them wires that can be cut. Nemeses harm it; `finish`
/// heals it, sells the rest, lets everything come to rest and has the checker judge.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "faults/history/checker.hpp"
#include "flashsale/sale_controller.hpp"
#include "support/private_postgres.hpp"
#include "support/private_redis.hpp"
#include "support/process.hpp"
#include "support/splitting_proxy.hpp"
#include "support/topologies.hpp"
#include "support/wire_proxy.hpp"

namespace flashsale::history {

/// `own`: one Redis, or two, behind wires of ours. The others are what they are in real life, without wires.
enum class Topology : std::uint8_t { own, sentinels, cluster };

struct Plan {
  std::uint64_t seed = 1;
  bool postgres = false;         ///< else SQLite
  std::string fsync = "always";  ///< Redis' appendfsync; "none": it keeps nothing
  Topology topology = Topology::own;
  bool replica = false;        ///< one that follows
  bool proxied = false;        ///< everybody comes through one that splits reads from writes; the replica is late
  bool own_network = false;    ///< each Redis in a network namespace of its own; see run_apart
  bool small_disks = false;    ///< Redis' and the database's files on tmpfs of a few MiB; see run_apart
  bool shifted_clock = false;  ///< Redis' clock can be set
  milliseconds hold{0};        ///< of the sale
  int clients = 3, threads = 3, workers = 2;
  int pace_ms = 6;  ///< the mean pause of a client's thread after each call
  std::string levels = "primary,database";
  // For control runs:
  std::string lie = "-";          ///< of clients: see actor.cpp
  std::string plant;              ///< a guard taken out of a script: see planted_scripts.cpp
  milliseconds patience{60'000};  ///< for everything that heals by itself
};

/// The shift of a clock, in a file that a preloaded shifted_clock.c reads.
volatile std::int64_t* map_clock(const std::string& path);
void unmap_clock(volatile std::int64_t* clock);

/// A fault that was made, and what proves it.
struct Struck {
  std::string fault;
  std::string proof;  ///< empty: it did not bite
};

class Stage {
 public:
  explicit Stage(Plan plan);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  /// Lets the night go on for a while, and looks at I1 meanwhile.
  void pass(milliseconds time);
  /// Looks every few milliseconds, as long as a test may wait. False if it never held.
  bool await(const std::function<bool()>& holds);
  /// The sale goes on: a buyer hears yes or sold_out. A complaint if not in time.
  void await_life();
  /// Acts of an operator, in the middle of it all, insisted on.
  void pause_a_while();
  void restock();

  /// Heals everything, sells the rest, and judges. Once. With FLASHSALE_KEEP in the environment the folder of a night
  /// with violations stays, and is named.
  Verdict finish();

  // What nemeses harm.
  test::PrivateRedis& primary();  ///< throws std::runtime_error if there is none for long
  test::SentinelSetup& sentinels() { return *sentinels_; }
  test::ClusterSetup& cluster() { return *cluster_; }
  test::PrivateRedis& replica() { return *nodes_[1 - primary_]; }
  std::size_t primary_number() const { return primary_; }
  test::WireProxy& wire(std::size_t process) { return *wires_[process]; }  ///< of clients, then of workers
  std::size_t wires() const { return wires_.size(); }
  test::WireProxy& link() { return *links_[primary_]; }  ///< from the primary to its replica
  test::Process& client(std::size_t i) { return *clients_[i]; }
  test::Process& worker(std::size_t i) { return *workers_[i]; }
  void restart_client(std::size_t i, std::int64_t clock_shift_ms = 0);
  void restart_worker(std::size_t i, const std::string& crash_at = {});
  /// Makes the replica the primary and points wires at it, but for those of `left_behind`.
  void promote(const std::vector<std::size_t>& left_behind = {});
  /// Points every wire at the primary as it is now, the other node following it.
  void reunite();
  test::PrivatePostgres& postgres() { return *server_; }
  const std::string& db_url() const { return db_url_; }
  OrderSink& sink() { return *sink_; }
  Position watermark();  ///< of the database; {} while it cannot be read
  std::string dir(const std::string& inside = {}) const { return dir_ + "/" + inside; }
  void shift_clock(std::int64_t by_ms) { *shift_ = *shift_ + by_ms; }
  /// Proof that a client runs with a clock of its own; empty: it does not.
  std::string sees_shifted_clock(std::size_t client);

  /// One command to the primary; its text, or its integer as text; empty where that failed.
  std::string ask(const std::vector<std::string_view>& command);
  std::string ask(test::PrivateRedis& node, const std::vector<std::string_view>& command);
  std::string meta(std::string_view field);
  std::string meta(test::PrivateRedis& node, std::string_view field);
  std::int64_t seq(test::PrivateRedis& node);
  std::string role(test::PrivateRedis& node);  ///< "master" or "slave"
  std::uint64_t epoch();
  /// The sale is open again, under a later epoch than this: how that is told; empty: it was not.
  std::string await_epoch_after(std::uint64_t before);
  /// How often the primary has answered with that error since it started.
  std::int64_t errors(const std::string& code);

  /// Random, by the plan's seed.
  std::size_t roll(std::size_t below);

  Night night;  ///< what nemeses tell the checker
  const Plan plan;
  std::int64_t longest_pause_ms = 0;  ///< until the sale went on, of all await_life
  long resident_kib_max = 0;          ///< of any client or worker

 private:
  std::string upstream(std::size_t node) const;
  std::string url(std::size_t process) const;
  std::uint32_t replicas() const;
  void heal_servers();
  std::shared_ptr<ConnectionPool> pool();
  std::shared_ptr<ConnectionPool> direct_pool();  // past the proxy: for whoever judges
  void start_nodes();
  void create_sale();
  void start_client(std::size_t i);
  void follow(std::size_t node);
  void start_proxy();
  test::SplittingProxy::Servers split_servers() const;
  void insist(const std::string& what, const std::function<Result<Done>(SaleController&)>& act);
  void look();
  void complain(std::string what) { night.complaints.push_back(std::move(what)); }
  void heal();
  void end_clients();
  void sell_out();
  void await_rest();
  void end_workers();
  void gather();
  void gather_redis();
  void gather_journal();
  void check_growth(test::Process& process);

  std::uint64_t random_;
  std::string dir_;
  std::unique_ptr<test::PrivatePostgres> own_server_;  // whose disk is small
  test::PrivatePostgres* server_ = nullptr;
  std::string db_url_;
  std::shared_ptr<OrderSink> sink_;
  volatile std::int64_t* shift_ = nullptr;
  std::unique_ptr<test::SentinelSetup> sentinels_;
  std::unique_ptr<test::ClusterSetup> cluster_;
  std::unique_ptr<test::PrivateRedis> nodes_[2];
  std::unique_ptr<test::WireProxy> links_[2];
  std::size_t primary_ = 0;
  std::unique_ptr<test::SplittingProxy> proxy_;
  std::vector<std::unique_ptr<test::WireProxy>> wires_;
  std::vector<std::unique_ptr<test::Process>> clients_, workers_;
  std::vector<std::string> histories_;
  std::unique_ptr<Writer> own_history_;
  int restocks_ = 0, probes_ = 0;
  bool keeps_ = false;
};

}  // namespace flashsale::history
