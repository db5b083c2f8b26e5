/// The library's own ConnectionPool: one node, a static list, sentinels or a cluster.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/options.hpp"
#include "redis/nodes.hpp"
#include "redis/survey.hpp"
#include "redis/tls.hpp"
#include "util/random.hpp"

namespace flashsale::redis {

/// Thread-safe, without a thread of its own. All I/O happens in `acquire` and `confirm_primary`, outside the lock.
///
///   acquire:  choose --node--> take --> prepare (I/O) --> settle --> lent
///               |  ^  nothing known, or in doubt            |
///               |  +------- adopt <-- survey (I/O) <--------+ not what it should be
///               +-- nothing to try now: wait for a change, or the end of a pause
class Pool final : public ConnectionPool {
 public:
  explicit Pool(Url url);
  ~Pool() override;

  Result<Lease> acquire(Role role, std::uint16_t slot, Deadline deadline) override;
  Result<Done> confirm_primary(std::uint16_t slot, Deadline deadline) override;
  void report(Connection* connection, Heard heard, std::string_view text) override;
  void give_back(Connection* connection) override;

 private:
  /// Whom to ask for the topology, and whether to.
  struct Directory {
    std::vector<Node> seeds;  ///< of the URL: for a total loss
    std::vector<Node> whom;   ///< in this order: who answered last, first
    bool in_doubt = true;     ///< what is known may be old
    Deadline refresh_at{};    ///< asked again then although nothing is in doubt: replicas come and go in silence
    bool under_way = false;   ///< somebody asks right now
    Pause pause;              ///< between surveys that helped nobody
    std::string trouble;      ///< why the last one failed; empty: it did not
    bool is_refused = false;  ///< it failed since we may not ask
  };
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    Nodes nodes;
    Directory directory;
    util::Random random;
  };
  using Lock = std::unique_lock<std::mutex>;
  /// One try at one node, as it goes from `take` (locked) over `prepare` (unlocked) to `settle` (locked).
  struct Attempt {
    std::size_t node = 0;
    Choice choice;
    Node address;
    bool opens = false;
    bool ask_role = false;
    bool check = false;  ///< an idle connection is to be asked whether it lives
    bool reads_only = false;
    std::uint64_t generation = 0;
    Deadline begun;
    Deadline deadline;
    std::unique_ptr<PooledConnection> connection;
    Part part;
    std::optional<Error> error;
  };

  bool is_foreign() const;
  bool mark_owner();
  Result<Lease> lend(Role role, std::uint16_t slot, Deadline deadline);
  Result<PooledConnection*> try_choice(const Choice& choice, Deadline deadline, Lock& lock);
  std::optional<Error> wait_for(const Choice& choice, std::uint16_t slot, Deadline deadline, Lock& lock);
  Attempt take(const Choice& choice, Deadline deadline);
  void prepare(Attempt& attempt) const;
  void open(Attempt& attempt) const;
  PooledConnection* settle(Attempt& attempt);
  void settle_failure(Attempt& attempt, NodeState& node);
  std::optional<std::string> misfit(NodeState& node, const Attempt& attempt, Deadline now);
  void note_part(NodeState& node, const Attempt& attempt);
  void note_circuit(const NodeState& node);
  void heard_redirect(PooledConnection& connection, Heard heard, std::string_view text);
  void heard_trouble(PooledConnection& connection, Heard heard, std::string_view text);

  bool survey_is_due(Deadline now) const;
  void survey(Deadline deadline, Lock& lock);
  SurveyTerms survey_terms() const;
  std::vector<Node> whom_to_ask() const;
  void adopt_map(const TopologyMap& map);
  void doubt_topology();
  void distrust_topology();

  const Url url_;
  const PoolOptions options_;
  const std::unique_ptr<Tls> tls_;
  std::atomic<pid_t> owner_{0};  ///< the process that used it first
  std::unique_ptr<State> state_;
};

}  // namespace flashsale::redis
