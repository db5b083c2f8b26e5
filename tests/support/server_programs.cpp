#include "support/server_programs.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "core/sale_meta.hpp"
#include "support/private_redis.hpp"

namespace flashsale::test {
namespace {

constexpr char kVariable[] = "FLASHSALE_TEST_REDIS";

[[noreturn]] void give_up(const std::string& folder, const std::string& why) {
  throw std::runtime_error(fmt::format("{}: {} {}", kVariable, folder, why));
}

bool is_program(const std::string& path) { return access(path.c_str(), X_OK) == 0; }

ServerPrograms programs_of(const std::string& folder, const std::string& kind) {
  const ServerPrograms programs{folder + "/" + kind + "-server", folder + "/" + kind + "-cli"};
  if (!is_program(programs.cli)) give_up(folder, fmt::format("has a {0}-server but no {0}-cli", kind));
  return programs;
}

}  // namespace

ServerPrograms programs_in(const std::string& folder) {
  // Servers start in folders of their own.
  const std::string absolute = std::filesystem::absolute(folder).string();
  const bool redis = is_program(absolute + "/redis-server"), valkey = is_program(absolute + "/valkey-server");
  if (redis && valkey) give_up(folder, "has a redis-server and a valkey-server, and one must be meant");
  if (!redis && !valkey) give_up(folder, "has neither a redis-server nor a valkey-server");
  return programs_of(absolute, redis ? "redis" : "valkey");
}

const ServerPrograms& server_programs() {
  static const ServerPrograms programs = [] {
    const char* const folder = std::getenv(kVariable);
    if (folder != nullptr && *folder != 0) return programs_in(folder);
    ServerPrograms system{"/usr/bin/redis-server", "/usr/bin/redis-cli"};
    if (!is_program(system.server))
      throw std::runtime_error(fmt::format("{} is missing (Debian: redis-server)", system.server));
    return system;
  }();
  return programs;
}

ServerKind kind_of(PrivateRedis& server) {
  const std::string info = server.command({"INFO", "server"}).text;
  // Valkey calls itself Redis 7.2.4 as well, for the clients that ask for no other name.
  const std::string_view valkey = core::info_field(info, "valkey_version");
  const std::string version(valkey.empty() ? core::info_field(info, "redis_version") : valkey);
  ServerKind kind;
  kind.name = valkey.empty() ? "redis" : "valkey";
  if (std::sscanf(version.c_str(), "%d.%d", &kind.major, &kind.minor) != 2)
    throw std::runtime_error("the server does not say its version: " + version);
  return kind;
}

}  // namespace flashsale::test
