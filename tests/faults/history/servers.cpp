// The Redis servers of a night.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "core/keyspace.hpp"
#include "faults/history/apart.hpp"
#include "faults/history/stage.hpp"
#include "flashsale/redis.hpp"

namespace flashsale::history {

/// A clock's shift in a file that a preloaded shifted_clock.c reads.
volatile std::int64_t* map_clock(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0 || ftruncate(fd, sizeof(std::int64_t)) != 0) throw std::runtime_error("no clock");
  void* const mapped = mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped == MAP_FAILED) throw std::runtime_error("no clock");
  return static_cast<volatile std::int64_t*>(mapped);
}

void unmap_clock(volatile std::int64_t* clock) { munmap(const_cast<std::int64_t*>(clock), sizeof(std::int64_t)); }

void Stage::start_nodes() {
  if (plan.topology == Topology::sentinels) sentinels_ = std::make_unique<test::SentinelSetup>();
  if (plan.topology == Topology::cluster) cluster_ = std::make_unique<test::ClusterSetup>();
  if (plan.topology != Topology::own) return;
  std::vector<std::string> arguments = {
      "--enable-debug-command", "yes", "--repl-backlog-ttl",     "0",   "--repl-diskless-sync-delay",    "0",
      "--repl-timeout",         "5",   "--busy-reply-threshold", "100", "--auto-aof-rewrite-percentage", "0"};
  if (plan.fsync != "none") arguments.insert(arguments.end(), {"--appendonly", "yes", "--appendfsync", plan.fsync});
  if (plan.small_disks) arguments.insert(arguments.end(), {"--dir", dir("redis-disk")});
  std::string preload;
  if (plan.shifted_clock) {
    shift_ = map_clock(dir("clock"));
    preload = FLASHSALE_SHIFTED_CLOCK;
    setenv("SHIFTED_CLOCK", dir("clock").c_str(), 1);
  }
  const test::Tcp tcp = plan.own_network ? test::Tcp::own_network : test::Tcp::yes;
  for (std::size_t i = 0; i < (plan.replica ? 2 : 1); ++i) {
    nodes_[i] = std::make_unique<test::PrivateRedis>(arguments, tcp, preload);
    if (!plan.own_network)
      links_[i] = std::make_unique<test::WireProxy>(fmt::format("127.0.0.1:{}", nodes_[i]->port()), test::Tcp::yes);
  }
  if (plan.own_network) connect_nodes(nodes_[0]->pid(), nodes_[1]->pid());
  if (plan.replica) follow(1);
  if (plan.proxied) start_proxy();
}

/// Both nodes are read, at random: the past and the present in turns.
void Stage::start_proxy() {
  constexpr int kLateMs[] = {0, 20, 80, 200};
  for (auto& link : links_) link->delay_replies(milliseconds{kLateMs[plan.seed % 4]});
  test::ProxyHabits habits;
  habits.seed = plan.seed;
  habits.primary_reads_too = true;
  habits.anyone_tells_state = roll(2) == 0;
  proxy_ = std::make_unique<test::SplittingProxy>(split_servers(), habits);
}

test::SplittingProxy::Servers Stage::split_servers() const {
  return {test::address_of(*nodes_[primary_]), {test::address_of(*nodes_[1 - primary_])}};
}

test::PrivateRedis& Stage::primary() {
  if (sentinels_) return sentinels_->primary();
  if (cluster_) return cluster_->primary_of(core::slot_of("spring"));
  return *nodes_[primary_];
}

std::uint32_t Stage::replicas() const {
  if (sentinels_) return 2;
  return cluster_ || plan.replica ? 1 : 0;
}

std::string Stage::url(std::size_t process) const {
  if (sentinels_) return sentinels_->url();
  if (cluster_) return cluster_->url();
  return wires_[process]->url();
}

std::shared_ptr<ConnectionPool> Stage::pool() { return proxy_ ? make_pool(proxy_->url()).value() : direct_pool(); }

std::shared_ptr<ConnectionPool> Stage::direct_pool() {
  return make_pool(plan.topology == Topology::own ? primary().url() : url(0)).value();
}

std::string Stage::upstream(std::size_t node) const {
  if (proxy_) return proxy_->address();
  return plan.own_network ? fmt::format("{}:6379", address_of_node(node)) : nodes_[node]->socket_path();
}

void Stage::follow(std::size_t node) {
  const std::size_t other = 1 - node;
  const std::string host = plan.own_network ? replication_address_of_node(other) : "127.0.0.1";
  const std::string port = plan.own_network ? "6379" : std::to_string(links_[other]->port());
  nodes_[node]->command({"REPLICAOF", host, port});
  nodes_[node]->wait_linked();
}

void Stage::promote(const std::vector<std::size_t>& left_behind) {
  replica().command({"REPLICAOF", "NO", "ONE"});
  primary_ = 1 - primary_;
  if (proxy_) return proxy_->repoint(split_servers());
  for (std::size_t i = 0; i < wires_.size(); ++i)
    if (std::find(left_behind.begin(), left_behind.end(), i) == left_behind.end())
      wires_[i]->redirect(upstream(primary_));
}

void Stage::reunite() {
  for (auto& wire : wires_)
    if (!proxy_) wire->redirect(upstream(primary_));
  if (replica().pid() < 0) replica().start();
  follow(1 - primary_);
}

void Stage::heal_servers() {
  if (plan.topology == Topology::own) {
    if (primary().pid() < 0) primary().start();
    if (plan.replica) reunite();
    return;
  }
  const auto wake = [](std::vector<std::unique_ptr<test::PrivateRedis>>& servers) {
    for (auto& server : servers) {
      if (server->pid() < 0) server->start();
      server->resume();
    }
  };
  wake(sentinels_ ? sentinels_->servers : cluster_->nodes);
  if (sentinels_) wake(sentinels_->sentinels);
  if (sentinels_) sentinels_->wait_whole();
  if (cluster_) cluster_->wait_ok();
}

}  // namespace flashsale::history
