/// A built program, run as a user runs it: arguments and stdin in, exit code, stdout and stderr out.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "flashsale/order_sink.hpp"
#include "support/private_redis.hpp"

namespace flashsale::test {

using Json = nlohmann::ordered_json;
using Arguments = std::vector<std::string>;

struct Ended {
  int code = -1;
  std::string out, err;

  /// stdout as the one line of JSON that --json promises; throws if it is anything else.
  Json json() const;
};

/// A folder of a test's own, with a private Redis and an SQLite file; gone when the object is.
class Desk {
 public:
  explicit Desk(Arguments redis_arguments = {});
  ~Desk();
  Desk(const Desk&) = delete;
  Desk& operator=(const Desk&) = delete;

  PrivateRedis redis;

  const std::string& folder() const { return folder_; }
  std::string db() const { return folder_ + "/flashsale.db"; }
  std::string write(const std::string& name, const std::string& bytes) const;  ///< a file; returns its path
  std::string read(const std::string& name) const;

  /// Runs a program of the build in the folder, with FLASHSALE_REDIS pointing at `redis`.
  Ended run(const std::string& program, const Arguments& arguments, const std::string& input = "") const;
  /// `flashsale`, at `redis` and `db`.
  Ended flashsale(const Arguments& arguments, const std::string& input = "") const;
  Json json(Arguments arguments) const;  ///< flashsale --json, which must say yes

  /// Starts without waiting; `finish` waits for its end.
  pid_t start(const std::string& program, const Arguments& arguments, const std::string& input = "") const;
  Ended finish(pid_t pid) const;

  /// Units of the sale in the database, by item.
  std::vector<std::pair<std::string, std::int64_t>> sold(const std::string& sale) const;
  /// Every order of the sale in the database.
  std::vector<OrderRow> orders(const std::string& sale) const;

 private:
  std::string folder_;
};

}  // namespace flashsale::test
