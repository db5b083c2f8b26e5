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

tl::unexpected<Error> bad(std::string_view what) {
  return fail(ErrorCode::invalid_argument, fmt::format("Redis URL: {}", what));
}

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

std::optional<std::string> decoded(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      unsigned value = 0;
      if (text.size() - i < 3) return std::nullopt;
      const char* digits = text.data() + i + 1;
      if (std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2) return std::nullopt;
      c = static_cast<char>(value);
      if (is_control(c)) return std::nullopt;
      i += 2;
    }
    bytes.push_back(c);
  }
  return bytes;
}

Result<Done> parse_login(std::string_view text, Url& url) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return bad("before the @ must stand [user]:password");
  auto user = decoded(text.substr(0, colon));
  if (!user) return bad("the user has a % that is not followed by two hexadecimal digits of a printable byte");
  auto password = decoded(text.substr(colon + 1));
  if (!password) return bad("the password has a % that is not followed by two hexadecimal digits of a printable byte");
  url.user = std::move(*user);
  url.password = std::move(*password);
  return {};
}

Result<Done> parse_db(std::string_view text, Url& url) {
  const auto db = number(text, 0);
  if (!db) return bad("the db is not a number from 0 to 65535");
  url.db = *db;
  return {};
}

bool is_ipv6(std::string_view host) {
  const std::string_view scope = host.substr(std::min(host.find('%'), host.size()));
  in6_addr address;
  return inet_pton(AF_INET6, std::string(host.substr(0, host.size() - scope.size())).c_str(), &address) == 1 &&
         (scope.empty() || (scope.size() > 1 && std::all_of(scope.begin() + 1, scope.end(), is_name_byte)));
}

Result<Node> parse_node(std::string_view text) {
  Node node;
  std::string_view port;
  if (!text.empty() && text[0] == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !is_ipv6(text.substr(1, end - 1))) {
      return bad("the host in brackets is not an IPv6 address");
    }
    node.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
    if (!port.empty() && port[0] != ':') return bad("after the host in brackets may only stand a port");
  } else {
    const auto end = std::min(text.find(':'), text.size());
    node.host = text.substr(0, end);
    port = text.substr(end);
    if (node.host.empty()) return bad("a host is empty");
    if (node.host.size() > kHostBytesMax || !std::all_of(node.host.begin(), node.host.end(), is_name_byte)) {
      return bad("a host is not a name or an address (IPv6 stands in brackets)");
    }
  }
  if (port.empty()) return node;
  const auto value = number(port.substr(1), 1);
  if (!value) return bad("a port is not a number from 1 to 65535");
  node.port = *value;
  return node;
}

Result<Done> parse_unix(std::string_view text, Url& url) {
  const auto slash = text.find('/');
  const std::string_view authority = text.substr(0, std::min(slash, text.size()));
  if (!authority.empty()) {
    if (authority.back() != '@') return bad("the socket's path must begin with /");
    if (auto login = parse_login(authority.substr(0, authority.size() - 1), url); !login) return login;
  }
  std::string_view path = text.substr(authority.size());
  if (const auto query = path.find('?'); query != std::string_view::npos) {
    if (path.substr(query, 4) != "?db=") return bad("after the ? may only stand db=N");
    if (auto db = parse_db(path.substr(query + 4), url); !db) return db;
    path = path.substr(0, query);
  }
  if (path.size() < 2) return bad("the socket's path is empty");
  if (path.size() > kPathBytesMax) return bad(fmt::format("the socket's path is longer than {} bytes", kPathBytesMax));
  url.nodes.push_back({{}, 0, std::string(path)});
  return {};
}

Result<Done> parse_tcp(std::string_view text, Url& url) {
  std::string_view authority = text.substr(0, std::min(text.find('/'), text.size()));
  const std::string_view db = text.substr(authority.size());
  const bool list = url.topology != Topology::single;
  if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
    if (list && authority.substr(0, at).find(',') != std::string_view::npos) {
      return bad("[user]:password@ stands once, before all nodes; a , in it is written %2C");
    }
    if (auto login = parse_login(authority.substr(0, at), url); !login) return login;
    authority.remove_prefix(at + 1);
  }
  for (;;) {
    const auto end = list ? std::min(authority.find(','), authority.size()) : authority.size();
    auto node = parse_node(authority.substr(0, end));
    if (!node) return tl::unexpected<Error>(std::move(node.error()));
    if (url.nodes.size() == kNodeCountMax) return bad(fmt::format("there are more than {} nodes", kNodeCountMax));
    url.nodes.push_back(std::move(*node));
    if (end == authority.size()) break;
    authority.remove_prefix(end + 1);
  }
  return db.size() > 1 ? parse_db(db.substr(1), url) : Result<Done>{};
}

struct Scheme {
  std::string_view prefix;
  Topology topology;
  Result<Done> (*parse)(std::string_view, Url&);
};
constexpr Scheme kSchemes[] = {{"redis://", Topology::single, parse_tcp},
                               {"redis+unix://", Topology::single, parse_unix},
                               {"redis+replicas://", Topology::replicas, parse_tcp}};

}  // namespace

Result<Url> parse_url(std::string_view text) {
  if (text.size() > kUrlBytesMax) return bad(fmt::format("it is longer than {} bytes", kUrlBytesMax));
  if (std::any_of(text.begin(), text.end(), is_control)) return bad("it holds a control byte");
  if (text.find("://") == std::string_view::npos) return bad("it has no scheme, for instance redis://");
  for (const Scheme& scheme : kSchemes) {
    if (text.substr(0, scheme.prefix.size()) != scheme.prefix) continue;
    Url url;
    url.topology = scheme.topology;
    if (auto rest = scheme.parse(text.substr(scheme.prefix.size()), url); !rest) {
      return tl::unexpected<Error>(std::move(rest.error()));
    }
    return url;
  }
  return fail(ErrorCode::unsupported,
              "Redis URL: the scheme is not one of redis://, redis+unix:// and redis+replicas://");
}

std::string to_string(const Node& node) {
  if (!node.path.empty()) return node.path;
  const bool ipv6 = node.host.find(':') != std::string::npos;
  return ipv6 ? fmt::format("[{}]:{}", node.host, node.port) : fmt::format("{}:{}", node.host, node.port);
}

}  // namespace flashsale::redis

namespace flashsale {

// Up to the last @, wherever it stands: a password with a raw / or @ in it must not be printed in part either, and
// hiding a little too much of an odd path does no harm.
std::string redacted(std::string_view url) {
  const auto at = url.rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  const auto scheme = url.find("://");
  const std::string_view kept = scheme < at ? url.substr(0, scheme + 3) : std::string_view{};
  return fmt::format("{}***{}", kept, url.substr(at));
}

}  // namespace flashsale
