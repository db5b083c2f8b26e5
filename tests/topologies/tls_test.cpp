// A sale over TLS, and whom a client of a cluster believes.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include "flashsale/redis.hpp"
#include "support/certificates.hpp"
#include "support/private_redis.hpp"
#include "topologies/shop.hpp"

namespace flashsale::test {
namespace {

/// A node of a cluster that speaks TLS alone, also to the other nodes.
class TlsNode {
 public:
  TlsNode(const Authority& authority, const Certificate& certificate)
      : port_(free_port()),
        server_({"--tls-port", std::to_string(port_), "--tls-cluster", "yes", "--tls-cert-file",
                 certificate.certificate, "--tls-key-file", certificate.key, "--tls-ca-cert-file", authority.file(),
                 "--tls-auth-clients", "no", "--cluster-enabled", "yes"}) {}

  std::string port() const { return std::to_string(port_); }
  PrivateRedis* operator->() { return &server_; }

 private:
  std::uint16_t port_;
  PrivateRedis server_;
};

TEST_CASE("a node that a cluster names is verified as well: with the certificate of another host it is refused") {
  Authority authority;
  TlsNode named(authority, authority.issue("DNS:redis.shop,IP:127.0.0.1"));
  TlsNode strange(authority, authority.issue("DNS:redis.shop"));
  named->command({"CLUSTER", "ADDSLOTSRANGE", "0", "8191"});
  strange->command({"CLUSTER", "ADDSLOTSRANGE", "8192", "16383"});
  named->command({"CLUSTER", "MEET", "127.0.0.1", strange.port()});
  REQUIRE(eventually([&] { return named->command({"CLUSTER", "SLOTS"}).elements.size() == 2; }, milliseconds{30'000}));

  const std::string url = fmt::format("rediss+cluster://127.0.0.1:{}?tls_ca={}", named.port(), authority.file());
  const auto in = [](int ms) { return Deadline::clock::now() + milliseconds{ms}; };
  auto pool = make_pool(url).value();
  CHECK(pool->acquire(Role::primary, 0, in(30'000)));
  const auto refused = pool->acquire(Role::primary, 16'000, in(2000));
  REQUIRE_FALSE(refused);
  CAPTURE(refused.error().detail);
  CHECK(refused.error().effect == Effect::none);
  CHECK(refused.error().detail.find("IP address mismatch") != std::string::npos);

  auto by_name = make_pool(url + "&tls_name=redis.shop").value();
  CHECK(by_name->acquire(Role::primary, 0, in(30'000)));
  CHECK(by_name->acquire(Role::primary, 16'000, in(30'000)));
}

TEST_CASE("a sale over TLS outlives a restart of Redis, pauses, flushes and cut clients") {
  Authority authority;
  const Certificate certificate = authority.issue("DNS:localhost,IP:127.0.0.1");
  const std::uint16_t port = free_port();
  PrivateRedis redis({"--tls-port", std::to_string(port), "--tls-cert-file", certificate.certificate, "--tls-key-file",
                      certificate.key, "--tls-ca-cert-file", authority.file(), "--tls-auth-clients", "no"});
  Shop shop(fmt::format("rediss://localhost:{}?tls_ca={}", port, authority.file()), "spring", Level::database);
  shop.sell_on();
  shop.sell_through_flush_and_cut(redis);
  shop.sell_through_pause(redis);
  redis.kill_now();
  redis.start();  // empty: the worker rebuilds the sale from the database
  shop.sell_on();
  shop.finish();
}

}  // namespace
}  // namespace flashsale::test
