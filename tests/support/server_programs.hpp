/// Which server the tests run against: Redis or Valkey, by the environment's FLASHSALE_TEST_REDIS.
#pragma once

#include <string>

namespace flashsale::test {

class PrivateRedis;

/// The programs of one server, as absolute paths. Sentinels are the server with `--sentinel`.
struct ServerPrograms {
  std::string server;
  std::string cli;
};

/// Those in the folder that FLASHSALE_TEST_REDIS names: redis-server and redis-cli, or valkey-server and valkey-cli;
/// unset or empty: the system's Redis. Throws std::runtime_error where the folder does not hold them, or holds both
/// servers: a test on another server than was asked for would prove nothing.
const ServerPrograms& server_programs();

/// The same for any folder.
ServerPrograms programs_in(const std::string& folder);

/// What a server says that it is. Where a test expects one thing of Redis 7.0 and another of what came after, it asks.
struct ServerKind {
  std::string name;  ///< "redis" or "valkey"
  int major = 0;
  int minor = 0;

  bool is_valkey() const { return name == "valkey"; }
  /// Redis 7.2 and newer, or any Valkey, which forked from it.
  bool has_rules_of_7_2() const { return is_valkey() || major > 7 || (major == 7 && minor >= 2); }
};
ServerKind kind_of(PrivateRedis& server);

}  // namespace flashsale::test
