/// The URLs that name a Redis, parsed: pure, thread-safe, no look-ups.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/error.hpp"

namespace flashsale::redis {

/// Where one Redis listens: TCP, or a unix socket if `path` is not empty.
struct Node {
  std::string host;
  std::uint16_t port = 6379;
  std::string path;
};

/// As a person would write it, for messages.
std::string to_string(const Node& node);

/// How the nodes of a URL hang together.
enum class Topology : std::uint8_t {
  single,    ///< one node, whatever role it has
  replicas,  ///< a static list: one of them is the primary, at first the first
};

struct Url {
  Topology topology = Topology::single;
  std::vector<Node> nodes;
  std::string user;
  std::string password;
  std::uint16_t db = 0;
};

/// Parses what redis.hpp describes. No message repeats a byte of the URL: any part of it may be a misplaced password.
Result<Url> parse_url(std::string_view text);

}  // namespace flashsale::redis
