// A sale over TLS.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <thread>

#include "support/certificates.hpp"
#include "support/private_redis.hpp"
#include "topologies/shop.hpp"

namespace flashsale::test {

TEST_CASE("a sale over TLS outlives a restart of Redis, pauses, flushes and cut clients") {
  Authority authority;
  const Certificate certificate = authority.issue("DNS:localhost,IP:127.0.0.1");
  const std::uint16_t port = free_port();
  PrivateRedis redis({"--tls-port", std::to_string(port), "--tls-cert-file", certificate.certificate, "--tls-key-file",
                      certificate.key, "--tls-ca-cert-file", authority.file(), "--tls-auth-clients", "no"});
  Shop shop(fmt::format("rediss://localhost:{}?tls_ca={}", port, authority.file()), "spring", Level::database);
  shop.sell_on();
  redis.command({"SCRIPT", "FLUSH"});
  shop.sell_on();
  redis.command({"CLIENT", "KILL", "TYPE", "normal"});
  shop.sell_on();
  redis.pause();
  std::this_thread::sleep_for(milliseconds{700});  // longer than a lane's patience
  redis.resume();
  shop.sell_on();
  redis.kill_now();
  redis.start();  // empty: the worker rebuilds the sale from the database
  shop.sell_on();
  shop.finish();
}

}  // namespace flashsale::test
