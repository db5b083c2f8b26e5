// FLASHSALE_TEST_REDIS: a folder that does not hold a server must never let a test pass on another one.
#include "support/server_programs.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "support/private_redis.hpp"

using namespace flashsale::test;

namespace {

/// A folder with programs of these names.
class Folder {
 public:
  explicit Folder(std::initializer_list<const char*> programs) {
    std::string path = (std::filesystem::temp_directory_path() / "flashsale-programs-XXXXXX").string();
    REQUIRE(mkdtemp(path.data()) != nullptr);
    path_ = path;
    for (const char* const program : programs) {
      std::ofstream(path_ / program) << "#!/bin/sh\n";
      std::filesystem::permissions(path_ / program, std::filesystem::perms::owner_all);
    }
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("a folder of Redis or of Valkey names its server and client; any other is an error, never a skip") {
  const Folder redis{"redis-server", "redis-cli"}, valkey{"valkey-server", "valkey-cli"};
  CHECK(programs_in(redis.path()).server == redis.path() + "/redis-server");
  CHECK(programs_in(valkey.path()).cli == valkey.path() + "/valkey-cli");
  const Folder none{}, both{"redis-server", "redis-cli", "valkey-server", "valkey-cli"}, mute{"redis-server"};
  for (const Folder* folder : {&none, &both, &mute}) CHECK_THROWS_AS(programs_in(folder->path()), std::runtime_error);
  CHECK_THROWS_AS(programs_in(none.path() + "/missing"), std::runtime_error);
}

TEST_CASE("the tests' server is the one in the folder that is named") {
  PrivateRedis server;
  const bool is_valkey = server_programs().server.find("valkey") != std::string::npos;
  CHECK(kind_of(server).is_valkey() == is_valkey);
}
