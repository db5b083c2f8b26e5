#include "redis/url.hpp"

#include <doctest/doctest.h>

#include "flashsale/redis.hpp"

namespace flashsale::redis {
namespace {

struct Good {
  const char* text;
  const char* nodes;
  const char* user;
  const char* password;
  int db;
};

std::string joined(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) text += (text.empty() ? "" : " ") + to_string(node);
  return text;
}

TEST_CASE("a URL says where, as whom and which db") {
  const Good table[] = {
      {"redis://h", "h:6379", "", "", 0},
      {"redis://h:1/", "h:1", "", "", 0},
      {"redis://127.0.0.1:65535/65535", "127.0.0.1:65535", "", "", 65535},
      {"redis://:p@h", "h:6379", "", "p", 0},
      {"redis://u:p@h:7/3", "h:7", "u", "p", 3},
      {"redis://u:@h", "h:6379", "u", "", 0},
      {"redis://u:p:q@h", "h:6379", "u", "p:q", 0},
      {"redis://u:p@q@h", "h:6379", "u", "p@q", 0},
      {"redis://%75%2f:%40%3A%25%ff@h", "h:6379", "u/", "@:%\xff", 0},
      {"redis://[::1]", "[::1]:6379", "", "", 0},
      {"redis://[fe80::1%eth0]:7/1", "[fe80::1%eth0]:7", "", "", 1},
      {"redis+unix:///s", "/s", "", "", 0},
      {"redis+unix:///a/b@c.sock?db=12", "/a/b@c.sock", "", "", 12},
      {"redis+unix://u:p%2Fq@/s?db=0", "/s", "u", "p/q", 0},
      {"redis+replicas://a", "a:6379", "", "", 0},
      {"redis+replicas://u:p@a,b:2,[::1]:3/4", "a:6379 b:2 [::1]:3", "u", "p", 4},
  };
  for (const Good& row : table) {
    CAPTURE(row.text);
    const auto url = parse_url(row.text);
    REQUIRE(url);
    CHECK(joined(url->nodes) == row.nodes);
    CHECK(url->user.name == row.user);
    CHECK(url->user.password.text == row.password);
    CHECK(url->db == row.db);
    CHECK((url->topology == Topology::replicas) == (std::string_view(row.text).substr(0, 8) == "redis+re"));
  }
}

TEST_CASE("what does not parse is named, and no byte of it repeated") {
  const std::pair<std::string, const char*> table[] = {
      {"", "scheme"},
      {"h:6379", "scheme"},
      {"redis:/h", "scheme"},
      {"redis://", "host"},
      {"redis://:1", "host"},
      {"redis://secret@h", "before the @"},
      {"redis://:secret%4@h", "password"},
      {"redis://:secret%zz@h", "password"},
      {"redis://:secret%00@h", "password"},
      {"redis://secret%:x@h", "user"},
      {"redis://:secret/x@h", "host"},  // a raw / in a password ends the authority too early
      {"redis://h:", "port"},
      {"redis://h:0", "port"},
      {"redis://h:65536", "port"},
      {"redis://h:+1", "port"},
      {"redis://h:1:2", "port"},
      {"redis://h:99999999999999999999", "port"},
      {"redis://::1", "host"},
      {"redis://[::1", "IPv6"},
      {"redis://[]", "IPv6"},
      {"redis://[h]", "IPv6"},
      {"redis://[::1%]", "IPv6"},
      {"redis://[::1]7", "port"},
      {"redis://h/-1", "db"},
      {"redis://h/65536", "db"},
      {"redis://h/1/2", "db"},
      {"redis://h/0x1", "db"},
      {"redis://h?db=x", "db"},
      {"redis://h h", "host"},
      {"redis://a,b", "host"},
      {"redis://h\xc3\xa4", "host"},
      {"redis://" + std::string(254, 'a'), "host"},
      {"redis+unix://", "path"},
      {"redis+unix:///", "path"},
      {"redis+unix://relative/s", "path"},
      {"redis+unix:///s?db=", "db"},
      {"redis+unix:///s?pass=secret", "password_file"},
      {"redis+unix:///" + std::string(107, 'a'), "path"},
      {"redis+replicas://a,,b", "host"},
      {"redis+replicas://a,b,", "host"},
      {"redis+replicas://a,u:secret@b", "once"},
      {"redis://h\n", "control"},
      {std::string("redis://h\0", 10), "control"},
      {"redis://" + std::string(4096, 'a'), "4096"},
  };
  for (const auto& [text, part] : table) {
    CAPTURE(text);
    const auto url = parse_url(text);
    REQUIRE_FALSE(url);
    CHECK(url.error().code == ErrorCode::invalid_argument);
    CHECK(url.error().effect == Effect::none);
    CHECK(url.error().detail.find(part) != std::string::npos);
    CHECK(url.error().detail.find("secret") == std::string::npos);
  }
}

TEST_CASE("an unknown scheme is unsupported, and the known ones are named") {
  for (const char* text : {"rediss+unix:///s", "REDIS://h", "http://h", "://h", "redis+ring://h"}) {
    const auto url = parse_url(text);
    REQUIRE_FALSE(url);
    CHECK(url.error().code == ErrorCode::unsupported);
    CHECK(url.error().detail.find("redis+replicas://") != std::string::npos);
  }
}

TEST_CASE("a URL names sentinels, a cluster, TLS and every parameter") {
  const auto sentinel =
      parse_url("rediss+sentinel://u:p@s1,s2:7,[::1]/shop.primary-1/3?sentinel_user=w&sentinel_password_file=%2Fs")
          .value();
  CHECK(sentinel.topology == Topology::sentinel);
  CHECK(joined(sentinel.nodes) == "s1:26379 s2:7 [::1]:26379");
  CHECK(sentinel.primary_name == "shop.primary-1");
  CHECK(sentinel.db == 3);
  CHECK(sentinel.tls.on);
  CHECK(sentinel.user.name == "u");
  CHECK(sentinel.sentinel_user.name == "w");
  CHECK(sentinel.sentinel_user.password.file == "/s");

  PoolOptions options;
  options.idle_check = milliseconds{7};
  const auto cluster = parse_url(
                           "redis+cluster://a,b:7001?password_env=P&connect_timeout_ms=20&reconnect_min_ms=1&"
                           "reconnect_max_ms=30&replica_lag_max_ms=40&replica_lag_max_bytes=50&connections_max=6",
                           options)
                           .value();
  CHECK(cluster.topology == Topology::cluster);
  CHECK(joined(cluster.nodes) == "a:6379 b:7001");
  CHECK(cluster.user.password.environment == "P");
  CHECK(cluster.options.connect_timeout == milliseconds{20});
  CHECK(cluster.options.reconnect_min == milliseconds{1});
  CHECK(cluster.options.reconnect_max == milliseconds{30});
  CHECK(cluster.options.replica_lag_max == milliseconds{40});
  CHECK(cluster.options.replica_lag_bytes_max == 50);
  CHECK(cluster.options.connections_max == 6);
  CHECK(cluster.options.idle_check == milliseconds{7});

  const auto tls = parse_url("rediss://h?tls_ca=/a&tls_cert=/c&tls_key=/k&tls_name=n&tls_verify=none&db=2").value();
  CHECK(tls.tls.authorities == "/a");
  CHECK(tls.tls.certificate == "/c");
  CHECK(tls.tls.key == "/k");
  CHECK(tls.tls.name == "n");
  CHECK_FALSE(tls.tls.verify);
  CHECK(tls.db == 2);
  CHECK(parse_url("rediss://h")->tls.verify);
}

TEST_CASE("a parameter that does not fit is named, and its value not repeated") {
  const std::pair<const char*, const char*> table[] = {
      {"redis://h?", "NAME=VALUE"},
      {"redis://h?secret", "NAME=VALUE"},
      {"redis://h?secret=1", "password_env"},
      {"redis://h?db=1&", "NAME=VALUE"},
      {"redis://h?db=1&db=2", "twice"},
      {"redis://h?connect_timeout_ms=0", "1 to 30000"},
      {"redis://h?connect_timeout_ms=secret", "connect_timeout_ms"},
      {"redis://h?connections_max=1025", "connections_max"},
      {"redis://h?replica_lag_max_bytes=-1", "replica_lag_max_bytes"},
      {"redis://h?idle_check_ms=3600001", "idle_check_ms"},
      {"redis://h?password=secret&password_env=P", "only place"},
      {"redis://:secret@h?password_file=/f", "only place"},
      {"redis://h?password=", "password must be not empty"},
      {"redis://h?password=secret%0", "password"},
      {"redis://h?tls_ca=/secret", "rediss"},
      {"redis://h?sentinel_user=secret", "sentinel scheme"},
      {"rediss://h?tls_verify=secret", "full or none"},
      {"rediss://h?tls_cert=/secret", "together"},
      {"redis+sentinel://h", "NAME"},
      {"redis+sentinel://h/", "NAME"},
      {"redis+sentinel://h/a b", "NAME"},
      {"redis+cluster://h/1", "only db 0"},
      {"redis+cluster://h?db=1", "only db 0"},
  };
  for (const auto& [text, part] : table) {
    CAPTURE(text);
    const auto url = parse_url(text);
    REQUIRE_FALSE(url);
    CAPTURE(url.error().detail);
    CHECK(url.error().code == ErrorCode::invalid_argument);
    CHECK(url.error().detail.find(part) != std::string::npos);
    CHECK(url.error().detail.find("secret") == std::string::npos);
  }
}

TEST_CASE("a list has at most 32 nodes") {
  std::string text = "redis+replicas://n";
  for (int i = 1; i < 32; ++i) text += ",n";
  CHECK(parse_url(text)->nodes.size() == 32);
  CHECK(parse_url(text + ",n").error().detail.find("32") != std::string::npos);
}

TEST_CASE("every prefix of a URL parses or is refused") {
  const std::string text = "redis+replicas://us%41er:pa%20ss@[::1]:1,host:22,[fe80::1%e]:3/15";
  for (std::size_t length = 0; length <= text.size(); ++length) {
    const auto url = parse_url(text.substr(0, length));
    if (!url) CHECK_FALSE(url.error().detail.empty());
  }
}

TEST_CASE("a redacted URL shows no user and no password, however odd it is") {
  CHECK(redacted("redis://u:p@h:1/2") == "redis://***@h:1/2");
  CHECK(redacted("redis://:p@x/y@h") == "redis://***@h");
  CHECK(redacted("redis+unix://u:p@/s") == "redis+unix://***@/s");
  CHECK(redacted("redis://h") == "redis://h");
  CHECK(redacted("u:p@h") == "***@h");
  CHECK(redacted("p@redis://h") == "***@redis://h");
  CHECK(redacted("") == "");
  CHECK(redacted("redis://h?password=p&db=1") == "redis://h?password=***&db=1");
  CHECK(redacted("redis+sentinel://u:p@h/n?sentinel_password=q&sentinel_user=w&db=1") ==
        "redis+sentinel://***@h/n?sentinel_password=***&sentinel_user=***&db=1");
  CHECK(redacted("redis://h?password=p@q") == "redis://***");
  CHECK(redacted("redis://u:p?password=x@h") == "redis://***");
}

}  // namespace
}  // namespace flashsale::redis
