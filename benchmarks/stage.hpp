/// What every round gets anew: a private Redis with open sales, and a crowd made before the clock runs.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "delay_proxy.hpp"
#include "flashsale/flashsale.hpp"
#include "support/certificates.hpp"
#include "support/private_redis.hpp"

namespace flashsale::bench {

inline constexpr const char* kItem = "sneaker-42";

/// How the server is run and reached.
struct Server {
  bool tcp = false;                      ///< loopback TCP instead of a unix socket
  bool tls = false;                      ///< loopback TCP with TLS; for us alone
  std::size_t replicas = 0;              ///< attached before the sales are made
  bool fsync_always = false;             ///< appendonly yes, appendfsync always
  std::chrono::microseconds latency{0};  ///< added to every round trip, by a proxy
};

struct StageOptions {
  std::int64_t units = 0;  ///< of each sale's only item; one a buyer
  std::size_t sales = 1;
  Server server{};
  milliseconds hold{0};          ///< of every reservation; 0: for ever
  std::vector<ItemRow> items{};  ///< of each sale, if not that only one; `check` is not for these
};

class Stage {
 public:
  explicit Stage(StageOptions options);

  /// Throws std::runtime_error if a sale booked more than it has or gave a buyer more than one unit, if a win is not in
  /// the journal, or if the sales did not book exactly what was accepted.
  void check(std::uint64_t accepted);
  double used_memory();  ///< bytes, as INFO says, without the buffers of connections

  const std::string& sale(std::size_t i = 0) const { return sales_[i % sales_.size()]; }
  /// Where a peer connects: a unix socket's path, or with `server.tcp` and no latency nothing (see `port`).
  std::string socket_path() const { return proxy_ ? proxy_->socket_path() : redis.socket_path(); }
  bool is_tcp() const { return options_.server.tcp && !proxy_; }

  const std::vector<std::string>& sales() const { return sales_; }
  /// Names of each sale's items.
  std::vector<std::string> items() const;

 private:
  // Before `redis`, whose arguments they are.
  StageOptions options_;
  std::unique_ptr<test::Authority> authority_;  ///< with TLS
  std::uint16_t tls_port_ = 0;

 public:
  test::PrivateRedis redis;
  std::vector<std::unique_ptr<test::PrivateRedis>> replicas;
  std::shared_ptr<ConnectionPool> pool;

 private:
  std::vector<std::string> redis_arguments();
  void await_replicas();

  std::vector<std::string> sales_;
  std::unique_ptr<DelayProxy> proxy_;
};

/// Distinct buyers, each with one request of 32 bytes, as a UUID without its dashes.
struct Crowd {
  explicit Crowd(std::size_t count, std::size_t payload_bytes = 60);
  std::size_t size() const { return buyers.size(); }
  Call call(std::size_t i, std::string_view sale) const {
    Call call{SaleId{sale}, ItemId{kItem}, BuyerId{buyers[i]}, RequestId{requests[i]}, 1, payload};
    call.timeout = milliseconds{20'000};
    return call;
  }
  std::vector<std::string> buyers, requests;
  std::string payload;
};

}  // namespace flashsale::bench
