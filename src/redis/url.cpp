#include "redis/url.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "flashsale/redis.hpp"

namespace flashsale::redis {
namespace {

constexpr std::size_t kUrlBytesMax = 4096;
constexpr std::size_t kNodeCountMax = 32;
constexpr std::size_t kHostBytesMax = 253;
constexpr std::size_t kPathBytesMax = sizeof(sockaddr_un::sun_path) - 1;
constexpr std::size_t kPrimaryNameBytesMax = 128;

constexpr std::uint16_t kSentinelPort = 26379;

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
}

/// Digits only: from_chars alone would take a sign.
std::optional<std::uint16_t> number(std::string_view text, unsigned smallest) {
  unsigned value = 0;
  const bool digits = !text.empty() && text.size() <= 5 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits) return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), value);
  if (value < smallest || value > 65'535) return std::nullopt;
  return static_cast<std::uint16_t>(value);
}

Result<Done> parse_login(std::string_view text, Url& url) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return bad_url("before the @ must stand [user]:password");
  auto user = decoded(text.substr(0, colon), "user");
  if (!user) return tl::unexpected<Error>(std::move(user.error()));
  auto password = decoded(text.substr(colon + 1), "password");
  if (!password) return tl::unexpected<Error>(std::move(password.error()));
  url.user.name = std::move(*user);
  url.user.password.text = std::move(*password);
  return {};
}

bool is_ipv6(std::string_view host) {
  const std::string_view scope = host.substr(std::min(host.find('%'), host.size()));
  in6_addr address;
  return inet_pton(AF_INET6, std::string(host.substr(0, host.size() - scope.size())).c_str(), &address) == 1 &&
         (scope.empty() || (scope.size() > 1 && std::all_of(scope.begin() + 1, scope.end(), is_name_byte)));
}

Result<Node> parse_node(std::string_view text, std::uint16_t default_port) {
  Node node;
  node.port = default_port;
  std::string_view port;
  if (!text.empty() && text[0] == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !is_ipv6(text.substr(1, end - 1))) {
      return bad_url("the host in brackets is not an IPv6 address");
    }
    node.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return bad_url("after the host in brackets may only stand a port");
  } else {
    const auto end = std::min(text.find(':'), text.size());
    node.host = text.substr(0, end);
    port = text.substr(end);
    if (node.host.empty()) return bad_url("a host is empty");
    if (node.host.size() > kHostBytesMax || !std::all_of(node.host.begin(), node.host.end(), is_name_byte)) {
      return bad_url("a host is not a name or an address (IPv6 stands in brackets)");
    }
  }
  if (port.empty()) return node;
  const auto value = number(port.substr(1), 1);
  if (!value) return bad_url("a port is not a number from 1 to 65535");
  node.port = *value;
  return node;
}

Result<Done> parse_unix(std::string_view text, Url& url) {
  const auto slash = text.find('/');
  const std::string_view authority = text.substr(0, std::min(slash, text.size()));
  if (!authority.empty()) {
    if (authority.back() != '@') return bad_url("the socket's path must begin with /");
    if (auto login = parse_login(authority.substr(0, authority.size() - 1), url); !login) return login;
  }
  const std::string_view path = text.substr(authority.size());
  if (path.size() < 2) return bad_url("the socket's path is empty");
  if (path.size() > kPathBytesMax) {
    return bad_url(fmt::format("the socket's path is longer than {} bytes", kPathBytesMax));
  }
  url.nodes.push_back({{}, 0, std::string(path)});
  return {};
}

Result<Done> parse_authority(std::string_view authority, Url& url) {
  const bool list = url.topology != Topology::single;
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    if (list && authority.substr(0, at).find(',') != std::string_view::npos) {
      return bad_url("[user]:password@ stands once, before all nodes; a , in it is written %2C");
    }
    if (auto login = parse_login(authority.substr(0, at), url); !login) return login;
    authority.remove_prefix(at + 1);
  }
  const std::uint16_t port = url.topology == Topology::sentinel ? kSentinelPort : Node{}.port;
  for (;;) {
    const auto end = list ? std::min(authority.find(','), authority.size()) : authority.size();
    auto node = parse_node(authority.substr(0, end), port);
    if (!node) return tl::unexpected<Error>(std::move(node.error()));
    if (url.nodes.size() == kNodeCountMax) return bad_url(fmt::format("there are more than {} nodes", kNodeCountMax));
    url.nodes.push_back(std::move(*node));
    if (end == authority.size()) return {};
    authority.remove_prefix(end + 1);
  }
}

/// The authority, and what stands before the next slash after it: of sentinel the primary's name, otherwise the db.
Result<Done> parse_tcp(std::string_view text, Url& url) {
  const auto cut = [&text] {
    const auto part = text.substr(0, std::min(text.find('/'), text.size()));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    return part;
  };
  if (auto parsed = parse_authority(cut(), url); !parsed) return parsed;
  if (url.topology == Topology::sentinel) {
    const auto name = cut();
    const bool fits =
        !name.empty() && name.size() <= kPrimaryNameBytesMax && std::all_of(name.begin(), name.end(), is_name_byte);
    if (!fits)
      return bad_url("after the sentinels must stand /NAME, the primary's name, at most 128 bytes of [A-Za-z0-9._-]");
    url.primary_name = name;
  }
  return text.empty() ? Result<Done>{} : parse_db(text, url);
}

struct Scheme {
  std::string_view prefix;
  Topology topology;
  bool tls;
  Result<Done> (*parse)(std::string_view, Url&);
};
constexpr Scheme kSchemes[] = {{"redis://", Topology::single, false, parse_tcp},
                               {"rediss://", Topology::single, true, parse_tcp},
                               {"redis+unix://", Topology::single, false, parse_unix},
                               {"redis+replicas://", Topology::replicas, false, parse_tcp},
                               {"rediss+replicas://", Topology::replicas, true, parse_tcp},
                               {"redis+sentinel://", Topology::sentinel, false, parse_tcp},
                               {"rediss+sentinel://", Topology::sentinel, true, parse_tcp},
                               {"redis+cluster://", Topology::cluster, false, parse_tcp},
                               {"rediss+cluster://", Topology::cluster, true, parse_tcp}};

Result<Done> parse_rest(std::string_view text, const Scheme& scheme, Url& url) {
  // A raw ? in a password ends it too early, and is then no parameter that we know.
  const auto query = std::min(text.find('?'), text.size());
  if (auto parsed = scheme.parse(text.substr(0, query), url); !parsed) return parsed;
  if (query < text.size()) {
    if (auto parsed = parse_parameters(text.substr(query + 1), url); !parsed) return parsed;
  }
  if (url.topology == Topology::cluster && url.db != 0) return bad_url("a cluster has only db 0");
  return {};
}

}  // namespace

tl::unexpected<Error> bad_url(std::string_view what) {
  return fail(ErrorCode::invalid_argument, fmt::format("Redis URL: {}", what));
}

Result<std::string> decoded(std::string_view text, std::string_view what) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      unsigned value = 0;
      const char* const digits = text.data() + i + 1;
      const bool hex = text.size() - i >= 3 && std::from_chars(digits, digits + 2, value, 16).ptr == digits + 2;
      c = static_cast<char>(value);
      if (!hex || is_control(c)) {
        return bad_url(
            fmt::format("the {} has a % that is not followed by two hexadecimal digits of a printable byte", what));
      }
      i += 2;
    }
    bytes.push_back(c);
  }
  return bytes;
}

Result<Done> parse_db(std::string_view text, Url& url) {
  const auto db = number(text, 0);
  if (!db) return bad_url("the db is not a number from 0 to 65535");
  url.db = *db;
  return {};
}

Result<Url> parse_url(std::string_view text, PoolOptions options) {
  if (text.size() > kUrlBytesMax) return bad_url(fmt::format("it is longer than {} bytes", kUrlBytesMax));
  if (std::any_of(text.begin(), text.end(), is_control)) return bad_url("it holds a control byte");
  if (text.find("://") == std::string_view::npos) return bad_url("it has no scheme, for instance redis://");
  for (const Scheme& scheme : kSchemes) {
    if (text.substr(0, scheme.prefix.size()) != scheme.prefix) continue;
    Url url;
    url.topology = scheme.topology;
    url.tls.on = scheme.tls;
    url.options = options;
    if (auto rest = parse_rest(text.substr(scheme.prefix.size()), scheme, url); !rest) {
      return tl::unexpected<Error>(std::move(rest.error()));
    }
    return url;
  }
  return fail(ErrorCode::unsupported,
              "Redis URL: the scheme is not one of redis://, redis+unix://, redis+replicas://, redis+sentinel:// and "
              "redis+cluster://, nor rediss in place of redis (but for redis+unix) for TLS");
}

std::string to_string(const Node& node) {
  if (!node.path.empty()) return node.path;
  const bool ipv6 = node.host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:{}", node.host, node.port) : fmt::format("{}:{}", node.host, node.port);
}

}  // namespace flashsale::redis

namespace flashsale {

// Up to the last @, wherever it stands: a password with a raw / or @ in it must not be printed in part either, and
// hiding a little too much of an odd path does no harm. Of the parameters the values of those that hold passwords; an
// @ among them, and no more is said than the scheme.
std::string redacted(std::string_view url) {
  const auto scheme = url.find("://");
  const auto at = url.rfind('@');
  if (at != std::string_view::npos) {
    const std::string_view kept = scheme < at ? url.substr(0, scheme + 3) : std::string_view{};
    if (url.find('?') < at) return fmt::format("{}***", kept);
    return fmt::format("{}***@{}", kept, redacted(url.substr(at + 1)));
  }
  std::string text(url);
  for (const std::string_view secret : {"password=", "user="}) {
    for (auto from = text.find(secret); from != std::string::npos; from = text.find(secret, from + secret.size())) {
      const auto value = from + secret.size();
      text.replace(value, std::min(text.find('&', value), text.size()) - value, "***");
    }
  }
  return text;
}

}  // namespace flashsale
