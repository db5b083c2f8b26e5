/// Whole topologies of private servers: a primary with replicas and sentinels, a cluster, an endpoint with a proxy.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/certificates.hpp"
#include "support/private_redis.hpp"
#include "support/splitting_proxy.hpp"
#include "support/wire_proxy.hpp"

namespace flashsale::test {

/// What a server of a topology needs to be quick: it copies at once, and pings often.
std::vector<std::string> quick_replication();

/// How the servers of a topology speak, with each other and with clients: plainly, unless told otherwise.
struct Transport {
  Tcp tcp = Tcp::yes;
  std::vector<std::string> arguments;  ///< of every server
  std::string scheme = "redis";        ///< of URLs, where `+sentinel` or the like follows
  std::string parameters;              ///< of URLs: empty, or `?` and all of them
  std::string cli_options;             ///< of redis-cli
};

/// TLS alone, with one certificate of `authority` for 127.0.0.1.
Transport over_tls(Authority& authority);

/// A primary, and a replica that follows it.
class PairSetup {
 public:
  explicit PairSetup(Transport transport = {});

  std::string url() const;  ///< redis+replicas:// or rediss+replicas://
  /// As an operator promotes the replica.
  void fail_over();

  std::unique_ptr<PrivateRedis> primary, replica;

 private:
  const Transport transport_;
};

/// One primary, two replicas, three sentinels that call it `shop`. All of them on the loopback interface.
class SentinelSetup {
 public:
  explicit SentinelSetup(Transport transport = {});

  std::string url() const;  ///< redis+sentinel:// or rediss+sentinel://
  /// The first sentinel that runs and is not stopped.
  PrivateRedis& sentinel();
  /// The server that this one names; it answers ROLE as a primary. Waits for it.
  PrivateRedis& primary();
  /// Waits until the sentinels name another server than `old`, and that one is a primary.
  void await_successor(const PrivateRedis& old);
  /// By command; waits for the successor.
  void fail_over();
  /// Waits until every server that runs follows the primary, and every sentinel that runs names it.
  void wait_whole();

  std::vector<std::unique_ptr<PrivateRedis>> servers;
  std::vector<std::unique_ptr<PrivateRedis>> sentinels;

 private:
  const Transport transport_;
};

/// Three primaries and three replicas, made by `redis-cli --cluster create`.
class ClusterSetup {
 public:
  explicit ClusterSetup(Transport transport = {});

  std::string url() const;  ///< redis+cluster:// or rediss+cluster://, all nodes as seeds
  /// The node that serves `slot`, as a primary. Waits for it.
  PrivateRedis& primary_of(std::uint16_t slot);
  /// A replica of that one, linked. Waits for it.
  PrivateRedis& replica_of(std::uint16_t slot);
  /// Makes that replica the primary, by command.
  void fail_over(std::uint16_t slot);
  /// Waits until every node that runs says that the cluster is in order.
  void wait_ok();
  /// Moves `slot` with all its keys to a primary that has it not: step by step as redis-cli does it.
  void move_slot(std::uint16_t slot);
  static std::string id_of(PrivateRedis& node);

  std::vector<std::unique_ptr<PrivateRedis>> nodes;

 private:
  const Transport transport_;
};

/// A primary and two replicas, one of them late, behind one address whose proxy sends reads to the replicas.
class EndpointSetup {
 public:
  /// `late`: how much later the second replica hears of everything.
  explicit EndpointSetup(milliseconds late, ProxyHabits habits = {});

  std::string url() const { return proxy->url(); }  ///< redis://
  PrivateRedis& primary() { return *servers[primary_]; }
  /// Makes the first replica the primary, by command; the proxy follows it.
  void fail_over();

  std::vector<std::unique_ptr<PrivateRedis>> servers;
  std::unique_ptr<WireProxy> late_link;  ///< from the primary to the last of them
  std::unique_ptr<SplittingProxy> proxy;

 private:
  SplittingProxy::Servers roles() const;

  std::size_t primary_ = 0;
};

/// `host:port` of a server.
std::string address_of(const PrivateRedis& server);

}  // namespace flashsale::test
