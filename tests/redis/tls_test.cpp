#include "redis/tls.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <openssl/conf.h>
#include <poll.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

#include "flashsale/metrics.hpp"
#include "flashsale/redis.hpp"
#include "redis/connection_conformance.hpp"
#include "redis/dial.hpp"
#include "redis/redis_connection.hpp"
#include "redis/silent_port.hpp"
#include "support/by_deadline.hpp"
#include "support/certificates.hpp"
#include "support/server_programs.hpp"

namespace flashsale::test {
namespace {

/// A Redis that speaks TLS alone on its port, with `certificate`.
class TlsRedis {
 public:
  TlsRedis(const Authority& authority, const Certificate& certificate, const std::vector<std::string>& more = {})
      : server_(with(tls_arguments(authority, certificate), more), Tcp::tls) {}
  std::string url(const std::string& host, const std::string& parameters) const {
    return fmt::format("rediss://{}:{}?{}", host, server_.port(), parameters);
  }
  std::string plain_url() const { return server_.tcp_url(); }

 private:
  static std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  PrivateRedis server_;
};

/// The error of a lease that cannot be had; it comes by the deadline.
Error refusal(const std::string& url) {
  auto pool = make_pool(url).value();
  const auto lease =
      by_deadline(milliseconds{5000}, [&](Deadline deadline) { return pool->acquire(Role::primary, 0, deadline); });
  REQUIRE_FALSE(lease);
  CHECK(lease.error().effect == Effect::none);
  return lease.error();
}

std::string ca(const Authority& authority) { return "tls_ca=" + authority.file(); }

std::unique_ptr<Connection> connect_tls(const std::string& url) {
  const auto parsed = redis::parse_url(url).value();
  // The cipher refers to the sessions of its Tls, so that lives as long as the test.
  static std::vector<std::shared_ptr<redis::Tls>> kept;
  kept.emplace_back(redis::make_tls(parsed.tls));
  auto channel = redis::dial(parsed.nodes[0], kept.back().get(), in(kLong));
  if (!channel) throw std::runtime_error(channel.error().detail);
  return std::make_unique<redis::RedisConnection>(std::move(*channel));
}

std::uint64_t metric(const std::string& line) {
  const std::string text = metrics_text();
  const auto at = text.find(line + " ");
  return at == std::string::npos ? 0 : std::stoull(text.substr(at + line.size() + 1));
}

TEST_CASE("over TLS replies come whole, and large pipelines do not deadlock") {
  Authority authority;
  TlsRedis redis(authority, authority.issue("DNS:localhost,IP:127.0.0.1"));
  replies_come_in_order_and_whole(connect_tls, redis.url("127.0.0.1", ca(authority)));
  large_pipelines_do_not_deadlock(connect_tls, redis.url("localhost", ca(authority)));
}

TEST_CASE("our connection conforms over TLS, cut at any byte") {
  // The proxy of the conformance suite stands between the client's TLS and Redis', so what it cuts are records.
  Authority authority;
  TlsRedis redis(authority, authority.issue("DNS:localhost"));
  const auto colon = redis.plain_url().rfind(':');
  WireProxy proxy("127.0.0.1" + redis.plain_url().substr(colon));
  redis::TlsTerms terms;
  terms.on = true;
  terms.authorities = authority.file();
  terms.name = "localhost";
  const auto tls = redis::make_tls(terms);
  const MakeConnection make = [&](const std::string& url) -> std::unique_ptr<Connection> {
    auto channel = redis::dial(redis::parse_url(url).value().nodes[0], tls.get(), in(kLong));
    if (!channel) throw std::runtime_error(channel.error().detail);
    return std::make_unique<redis::RedisConnection>(std::move(*channel));
  };
  for (std::size_t cut = 0; cut < 60; cut += 3) {
    CAPTURE(cut);
    proxy.pass();
    auto connection = greeted(make, proxy.url());
    proxy.cut_replies_after(cut);
    const RoundTrip trip = connection->roundtrip(cut_commands(), in(kLong));
    REQUIRE(trip.replies.size() < 4);
    if (trip.replies.size() < 3) REQUIRE(trip.error);
    if (trip.error) CHECK(trip.error->effect == Effect::unknown);
  }
  proxy.pass();
  replies_in_single_bytes_are_whole(make, proxy);
  after_a_timeout_the_replies_are_owed(make, proxy);
}

TEST_CASE("a certificate must be for the host that was asked for, or for tls_name") {
  Authority authority;
  TlsRedis redis(authority, authority.issue("DNS:redis.shop.example,IP:127.0.0.1"));
  CHECK(make_pool(redis.url("127.0.0.1", ca(authority))).value()->acquire(Role::primary, 0, in(kLong)));
  const Error other = refusal(redis.url("localhost", ca(authority)));
  CHECK(other.code == ErrorCode::refused);
  CHECK(other.detail.find("hostname mismatch") != std::string::npos);
  CHECK(make_pool(redis.url("localhost", ca(authority) + "&tls_name=redis.shop.example"))
            .value()
            ->acquire(Role::primary, 0, in(kLong)));
  CHECK(refusal(redis.url("127.0.0.1", ca(authority) + "&tls_name=10.0.0.1")).detail.find("IP address mismatch") !=
        std::string::npos);
}

TEST_CASE("a certificate that is expired, not yet valid or of a strange authority is refused in OpenSSL's own words") {
  Authority authority, stranger;
  TlsRedis expired(authority, authority.issue("IP:127.0.0.1", -10 * 86'400));
  CHECK(refusal(expired.url("127.0.0.1", ca(authority))).detail.find("certificate has expired") != std::string::npos);
  TlsRedis early(authority, authority.issue("IP:127.0.0.1", 86'400));
  CHECK(refusal(early.url("127.0.0.1", ca(authority))).detail.find("not yet valid") != std::string::npos);
  TlsRedis good(authority, authority.issue("IP:127.0.0.1"));
  const Error strange = refusal(good.url("127.0.0.1", ca(stranger)));
  CHECK(strange.code == ErrorCode::refused);
  CHECK(strange.detail.find("not trusted") != std::string::npos);
  // Without our own authorities the system's count, which know no test's.
  CHECK(refusal(good.url("127.0.0.1", "db=0")).detail.find("not trusted") != std::string::npos);
  CHECK(make_pool(good.url("localhost", "tls_verify=none")).value()->acquire(Role::primary, 0, in(kLong)));
}

TEST_CASE("a Redis that wants a certificate of its clients gets ours") {
  Authority authority;
  TlsRedis redis(authority, authority.issue("IP:127.0.0.1"), {"--tls-auth-clients", "yes"});
  const Certificate ours = authority.issue("DNS:gate");
  const std::string with = fmt::format("&tls_cert={}&tls_key={}", ours.certificate, ours.key);
  CHECK(make_pool(redis.url("127.0.0.1", ca(authority) + with)).value()->acquire(Role::primary, 0, in(kLong)));
  const Error none = refusal(redis.url("127.0.0.1", ca(authority)));
  CAPTURE(none.detail);
  CHECK(none.detail.find("certificate required") != std::string::npos);
}

TEST_CASE("files that are missing or do not fit are named") {
  Authority authority;
  TlsRedis redis(authority, authority.issue("IP:127.0.0.1"));
  const Certificate one = authority.issue("DNS:a"), two = authority.issue("DNS:b");
  CHECK(refusal(redis.url("127.0.0.1", "tls_ca=/nowhere/ca.crt")).detail.find("tls_ca /nowhere/ca.crt: No such file") !=
        std::string::npos);
  const std::string mixed = fmt::format("&tls_cert={}&tls_key={}", one.certificate, two.key);
  const Error error = refusal(redis.url("127.0.0.1", ca(authority) + mixed));
  CHECK(error.code == ErrorCode::refused);
  CHECK(error.detail.find("tls_key") != std::string::npos);
}

TEST_CASE("plain spoken to a TLS port and TLS to a plain one are told apart from other faults") {
  Authority authority;
  TlsRedis redis(authority, authority.issue("IP:127.0.0.1"));
  const Error plain = refusal(redis.plain_url());
  CAPTURE(plain.detail);
  CHECK(plain.detail.find("must be rediss") != std::string::npos);
  PrivateRedis server({}, Tcp::yes);
  const Error reverse = refusal(fmt::format("rediss://127.0.0.1:{}?{}", server.port(), ca(authority)));
  CAPTURE(reverse.detail);
  CHECK(reverse.detail.find("does not speak TLS") != std::string::npos);
}

TEST_CASE("a silent peer does not hold up the handshake past the deadline") {
  const SilentPort silent;
  auto pool = make_pool("rediss://" + silent.address()).value();
  const auto lease =
      by_deadline(milliseconds{100}, [&](Deadline deadline) { return pool->acquire(Role::primary, 0, deadline); });
  REQUIRE_FALSE(lease);
  CHECK(lease.error().detail.find("too long") != std::string::npos);
}

/// As long as it lives, OpenSSL of this program would speak TLS 1.1 where nobody forbids it.
class OldTlsAllowed {
 public:
  OldTlsAllowed() {
    const PrivateRedis folder;
    const std::string path = folder.dir() + "/openssl.cnf";
    std::ofstream(path) << "openssl_conf = all\n[all]\nssl_conf = parts\n[parts]\nsystem_default = old\n[old]\n"
                           "MinProtocol = TLSv1\nCipherString = DEFAULT@SECLEVEL=0\n";
    REQUIRE(CONF_modules_load_file(path.c_str(), nullptr, 0) == 1);
  }
  ~OldTlsAllowed() {
    CONF_modules_finish();
    CONF_modules_load_file(nullptr, nullptr, CONF_MFLAGS_IGNORE_MISSING_FILE);
  }
};

TEST_CASE("a server that speaks nothing newer than TLS 1.1 is refused, also where OpenSSL itself would not mind") {
  Authority authority;
  TlsRedis old(authority, authority.issue("IP:127.0.0.1"),
               {"--tls-protocols", "TLSv1.1", "--tls-ciphers", "DEFAULT@SECLEVEL=0"});
  // It does speak it: the server's own client has no lower bound of its own.
  const std::string port = old.plain_url().substr(old.plain_url().rfind(':') + 1);
  const std::string other = server_programs().cli + " --tls --tls-ciphers DEFAULT@SECLEVEL=0 --cacert " +
                            authority.file() + " -p " + port + " PING | grep -q PONG";
  REQUIRE(std::system(other.c_str()) == 0);
  const OldTlsAllowed allowed;
  const Error error = refusal(old.url("127.0.0.1", ca(authority)));
  CAPTURE(error.detail);
  CHECK(error.code == ErrorCode::refused);
  CHECK(error.detail.find("protocol") != std::string::npos);
}

/// Of a ClientHello: RFC 6066, section 3.
std::string server_name(const std::string& name) {
  const auto sized = [](const std::string& text) {
    return std::string{static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xff)} + text;
  };
  return std::string(2, '\0') + sized(sized('\0' + sized(name)));
}

TEST_CASE("the server is told by which name it was called, and no address") {
  const auto hello_of = [](const std::string& host, const std::string& parameters) {
    const SilentPort silent;
    const std::string port = silent.address().substr(silent.address().find(':'));
    CHECK_FALSE(
        make_pool("rediss://" + host + port + parameters).value()->acquire(Role::primary, 0, in(milliseconds{300})));
    return silent.heard();
  };
  CHECK(hello_of("localhost", "").find(server_name("localhost")) != std::string::npos);
  CHECK(hello_of("127.0.0.1", "?tls_name=redis.shop").find(server_name("redis.shop")) != std::string::npos);
  const std::string by_address = hello_of("127.0.0.1", "");
  CHECK_FALSE(by_address.empty());
  CHECK(by_address.find("127.0.0.1") == std::string::npos);
}

TEST_CASE("a second connection resumes the first one's session") {
  Authority authority;
  TlsRedis redis(authority, authority.issue("IP:127.0.0.1"));
  auto pool = make_pool(redis.url("127.0.0.1", ca(authority))).value();
  const auto before = metric("flashsale_tls_handshakes_total{resumed=\"yes\"}");
  Lease one = leased(*pool);
  Lease two = leased(*pool);
  CHECK(client_id(one) != client_id(two));
  CHECK(metric("flashsale_tls_handshakes_total{resumed=\"yes\"}") == before + 1);
}

TEST_CASE("a password is read from its file or variable for each connection, and never shown") {
  PrivateRedis server;
  server.command({"CONFIG", "SET", "requirepass", "first-secret"});
  const std::string path = server.dir() + "/password";
  const auto write = [&](const char* text) { std::ofstream(path) << text; };
  write("first-secret\n");
  auto pool = make_pool("redis+unix://" + server.socket_path() + "?password_file=" + path).value();
  CHECK(pool->acquire(Role::primary, 0, in(kLong)));
  // The password is rotated: the next connection, after a restart, needs the new one.
  server.command({"AUTH", "first-secret"});
  pool->acquire(Role::primary, 0, in(kLong)).value().report(Heard::broken);
  write("second-secret\r\nand a note\n");
  {
    auto admin = make_pool("redis+unix://:first-secret@" + server.socket_path()).value();
    auto lease = leased(*admin);
    REQUIRE_FALSE(lease->roundtrip({{"CONFIG", "SET", "requirepass", "second-secret"}}, in(kLong)).error);
  }
  CHECK(pool->acquire(Role::primary, 0, in(kLong)));

  setenv("FLASHSALE_TEST_PASSWORD", "second-secret", 1);
  auto by_variable =
      make_pool("redis+unix://" + server.socket_path() + "?password_env=FLASHSALE_TEST_PASSWORD").value();
  CHECK(by_variable->acquire(Role::primary, 0, in(kLong)));
  unsetenv("FLASHSALE_TEST_PASSWORD");

  const std::pair<std::string, const char*> table[] = {
      {"?password_file=/nowhere/secret", "/nowhere/secret: No such file"},
      {"?password_env=FLASHSALE_TEST_NONE", "FLASHSALE_TEST_NONE: it is not set"},
      {"?password=third-secret", "WRONGPASS"},
      {"", "NOAUTH"}};
  for (const auto& [parameters, words] : table) {
    CAPTURE(parameters);
    const Error error = refusal("redis+unix://" + server.socket_path() + parameters);
    CHECK(error.code == ErrorCode::refused);
    CHECK(error.detail.find(words) != std::string::npos);
    CHECK(error.detail.find("-secret") == std::string::npos);
  }
}

}  // namespace
}  // namespace flashsale::test
