/// The URLs that name a Redis, parsed: pure, thread-safe, no look-ups.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/error.hpp"
#include "flashsale/options.hpp"
#include "redis/secret.hpp"

namespace flashsale::redis {

/// Where one Redis listens: TCP, or a unix socket if `path` is not empty.
struct Node {
  std::string host;
  std::uint16_t port = 6379;
  std::string path;

  friend bool operator==(const Node& a, const Node& b) {
    return a.port == b.port && a.host == b.host && a.path == b.path;
  }
};

/// As a person would write it, for messages.
std::string to_string(const Node& node);

/// How the nodes of a URL hang together.
enum class Topology : std::uint8_t {
  single,    ///< one node, whatever role it has
  replicas,  ///< a static list: one of them is the primary, at first the first
  sentinel,  ///< the nodes are sentinels, which know the primary and its replicas
  cluster,   ///< the nodes are seeds of a cluster, which knows who has which slot
};

/// Who to log in as. Both empty: no AUTH.
struct User {
  std::string name;
  Secret password;
};

/// Encryption: off, or whom to believe.
struct TlsTerms {
  bool on = false;
  bool verify = true;       ///< the peer's certificate and its host name
  std::string authorities;  ///< a file of certificates; empty: the system's
  std::string certificate;  ///< ours, with its chain; empty: none
  std::string key;          ///< of our certificate
  std::string name;         ///< what the peer's certificate must be for; empty: the host that was connected to
};

struct Url {
  Topology topology = Topology::single;
  std::vector<Node> nodes;
  std::string primary_name;  ///< of sentinel: what the sentinels call the primary
  User user;
  User sentinel_user;
  std::uint16_t db = 0;
  TlsTerms tls;
  PoolOptions options;  ///< those given to parse_url, with what the URL says of them
};

/// Parses what redis.hpp describes. No message repeats a byte of the URL: any part of it may be a misplaced password.
Result<Url> parse_url(std::string_view text, PoolOptions options = {});

// For url.cpp and url_parameters.cpp.
tl::unexpected<Error> bad_url(std::string_view what);
/// `text` with its %-escapes decoded; `what` names the part in the error.
Result<std::string> decoded(std::string_view text, std::string_view what);
Result<Done> parse_db(std::string_view text, Url& url);
/// The part after the `?`.
Result<Done> parse_parameters(std::string_view text, Url& url);

}  // namespace flashsale::redis
