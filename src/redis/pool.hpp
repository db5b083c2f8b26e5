/// The library's own ConnectionPool: one node, or a static list of a primary and its replicas.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "flashsale/connection_pool.hpp"
#include "flashsale/options.hpp"
#include "redis/nodes.hpp"
#include "util/random.hpp"

namespace flashsale::redis {

/// Thread-safe, without a thread of its own. All I/O happens in `acquire`, outside the lock.
class Pool final : public ConnectionPool {
 public:
  Pool(Url url, PoolOptions options);
  ~Pool() override;

  Result<Lease> acquire(Role role, std::uint16_t slot, Deadline deadline) override;
  void report(Connection* connection, Heard heard, std::string_view text) override;
  void give_back(Connection* connection) override;

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    Nodes nodes;
    util::Random random;
  };
  /// One try at one node, as it goes from `take` (locked) over `prepare` (unlocked) to `settle` (locked).
  struct Attempt {
    std::size_t node = 0;
    Role role = Role::primary;
    bool opens = false;
    bool ask_role = false;
    bool hurried = false;  ///< too little time to learn from a timeout
    std::uint64_t generation = 0;
    Deadline deadline;
    std::unique_ptr<PooledConnection> connection;
    Standing standing = Standing::unknown;
    std::optional<Error> error;
  };

  bool is_foreign() const;
  Result<Lease> lend(Role role, Deadline deadline);
  std::optional<Error> wait_for(const Choice& choice, Deadline deadline, std::unique_lock<std::mutex>& lock);
  Attempt take(const Choice& choice, Deadline deadline);
  void prepare(Attempt& attempt) const;
  void open(Attempt& attempt) const;
  PooledConnection* settle(Attempt& attempt);
  void settle_failure(Attempt& attempt, NodeState& node);
  void doubt(NodeState& node, std::string_view text);

  const Login login_;
  const PoolOptions options_;
  std::atomic<pid_t> owner_{0};  ///< the process that used it first
  std::unique_ptr<State> state_;
};

}  // namespace flashsale::redis
