// Every Redis a shop runs: what TLS, a cluster and level `replicas` cost, and how soon a sale goes on after a failover.
#include <fmt/format.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "core/keyspace.hpp"
#include "ours.hpp"
#include "peers.hpp"
#include "support/raw_sale.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"
#include "support/topologies.hpp"

namespace flashsale::bench {
namespace {

constexpr std::size_t kInFlight = 16'384;

Side crowd_side(std::string name, const Crowd& crowd, Server server, GateOptions options = {}) {
  return {std::move(name), [&crowd, server, options] {
            Stage stage({static_cast<std::int64_t>(crowd.size()), 1, server});
            return ours_async(stage, crowd, kInFlight, options);
          }};
}

const Registered kTls{{"tls", "the asynchronous crowd over TLS; a ratio above 0.77 is at most 1.3 times the time",
                       [](Bench& bench) {
                         const Crowd crowd(bench.scaled(300'000));
                         Server tls, tcp;
                         tls.tls = tcp.tcp = true;
                         bench.compare({"accepted_per_s", "cpu_us_per_order"},
                                       {crowd_side("flashsale", crowd, tls), crowd_side("plain TCP", crowd, tcp)});
                       },
                       30}};

/// Three sales, each on another primary.
std::vector<std::string> sales_of_three_nodes(test::ClusterSetup& cluster) {
  std::vector<std::string> sales;
  std::vector<const test::PrivateRedis*> nodes;
  for (int i = 0; sales.size() < 3; ++i) {
    const std::string sale = fmt::format("bench-{}", i);
    const auto* const node = &cluster.primary_of(core::slot_of(sale));
    if (std::find(nodes.begin(), nodes.end(), node) != nodes.end()) continue;
    nodes.push_back(node);
    sales.push_back(sale);
  }
  return sales;
}

Score three_on_a_cluster(const Crowd& crowd) {
  test::ClusterSetup cluster;
  // The peer's node has no replicas; what copying costs is not the question here.
  for (const auto& node : cluster.nodes)
    if (node->command({"ROLE"}).elements.at(0).text == "slave") node->kill_now();
  const auto pool = make_pool(cluster.url()).value();
  const auto sales = sales_of_three_nodes(cluster);
  for (const auto& sale : sales)
    test::make_raw_sale(*pool, Sale{SaleId{sale}}.item(ItemId{kItem}, static_cast<std::int64_t>(crowd.size()), 1));
  GateOptions options;
  options.lanes = 3;
  const Ran ran = async_crowd(pool, sales, crowd, kInFlight, options);
  if (ran.accepted != crowd.size()) throw std::runtime_error("not everybody won");
  return ran.score();
}

Score three_on_one_node(const Crowd& crowd) {
  Server tcp;
  tcp.tcp = true;
  Stage stage({static_cast<std::int64_t>(crowd.size()), 3, tcp});
  GateOptions options;
  options.lanes = 3;
  return ours_async(stage, crowd, kInFlight, options);
}

const Registered kCluster{{"cluster", "three sales on a cluster's three nodes; the peer is us with three on one node",
                           [](Bench& bench) {
                             const Crowd crowd(bench.scaled(300'000));
                             bench.compare({"accepted_per_s"},
                                           {{"flashsale", [&] { return three_on_a_cluster(crowd); }},
                                            {"one node", [&] { return three_on_one_node(crowd); }}});
                           },
                           31}};

const Registered kReplicas{{"level_replicas", "two replicas attached, every answer waits for both",
                            [](Bench& bench) {
                              const Crowd crowd(bench.scaled(200'000)), few(bench.scaled(10'000));
                              Server server;
                              server.replicas = 2;
                              GateOptions replicas;
                              replicas.level = Level::replicas;
                              bench.compare({"accepted_per_s"},
                                            {crowd_side("flashsale", crowd, server, replicas),
                                             crowd_side("level primary", crowd, server),
                                             {"a pool of 64, EVALSHA then WAIT", [&] {
                                                Stage stage({static_cast<std::int64_t>(few.size()), 1, server});
                                                return peer_wait(stage, few, 64);
                                              }}});
                            },
                            32}};

/// Whether it runs and says that it is one. A node that is promoted closes its clients' connections, also ours.
bool is_primary(test::PrivateRedis& server) {
  try {
    return server.pid() > 0 && server.command({"ROLE"}).elements.at(0).text == "master";
  } catch (const std::runtime_error&) {
    return false;
  }
}

/// From the moment at which a sentinel's new primary says that it is one, to the next unit that is sold.
Score failover() {
  test::SentinelSetup setup;
  const auto sink = test::open_sink(setup.servers[0]->dir() + "/orders.db");
  const auto pool = make_pool(setup.url()).value();
  SaleController controller(pool, sink);
  controller.create(Sale{SaleId{"bench"}}.item(ItemId{kItem}, 1'000'000, 1)).value();
  controller.open(SaleId{"bench"}).value();
  const test::RunningWorker worker(make_pool(setup.url()).value(), sink);
  StockGate gate(pool);
  const Crowd crowd(100'000);
  std::size_t next = 0;
  const auto sell = [&] {
    Call call = crowd.call(next, "bench");
    call.timeout = milliseconds{250};
    const auto answer = gate.reserve(call);
    if (answer && answer->holds_stock()) ++next;  // else the same buyer tries again, as a shop would
    return answer && answer->outcome == Outcome::reserved;
  };
  for (int i = 0; i < 100; ++i) sell();
  test::PrivateRedis& old = setup.primary();
  std::atomic<std::int64_t> writable_us{0};
  const auto start = Clock::now();
  const auto us_now = [&] {
    return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
  };
  const auto in_time = [&] { return us_now() < 60'000'000; };
  old.kill_now();
  std::thread watching([&] {
    while (writable_us == 0 && in_time()) {
      for (const auto& server : setup.servers)
        if (is_primary(*server)) writable_us = us_now();
      std::this_thread::sleep_for(milliseconds{1});
    }
  });
  while (!sell() && in_time()) std::this_thread::sleep_for(milliseconds{1});
  const auto sold_us = us_now();
  watching.join();
  if (!in_time()) throw std::runtime_error("it does not sell again within a minute");
  return {{"sold_after_ms", static_cast<double>(sold_us - writable_us.load()) / 1000}};
}

const Registered kFailover{{"failover",
                            "from the new primary being writable to the next unit sold; must be below 2,000",
                            [](Bench& bench) {
                              std::vector<double> times;
                              for (int i = 0; i < bench.settings().rounds; ++i)
                                times.push_back(failover().at("sold_after_ms"));
                              bench.figure("sold_after_ms", median(times), "two seconds");
                            },
                            33}};

}  // namespace
}  // namespace flashsale::bench
