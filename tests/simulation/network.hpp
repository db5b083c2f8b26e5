/// What lies between the processes and Redis: nodes that fail over, lag and restart, and a wire that loses, stalls and
/// repeats. Every round trip is a point at which anything may happen.
#pragma once

#include <array>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "simulation/node.hpp"
#include "util/random.hpp"
#include "util/simulated.hpp"

namespace flashsale::simulation {

/// Redis' TIME when the simulated clock began.
inline constexpr std::int64_t kEpochMs = 1'700'000'000'000;

/// A process that is killed where it stands; unwinds it. The public functions let no exception out, so that their
/// caller hears `internal`, with the object as good as gone.
struct Crash : std::exception {
  const char* what() const noexcept override { return "the simulated process was killed"; }
};

/// Which kinds of fault a run has. A run with all of them at once finds less than runs with some.
struct Faults {
  bool wire = false;      // cut, stalled and repeated round trips
  bool lag = false;       // failovers that lose what was not replicated
  bool zombie = false;    // the old primary goes on for a while
  bool restart = false;   // with a shorter history
  bool forget = false;    // FLUSHALL, one key, scripts
  bool refuse = false;    // OOM and the like; XADD refused inside the script
  bool clock = false;     // a node's clock is set
  bool crash = false;     // workers and controllers are killed
  bool database = false;  // commits that fail, or happen unheard
  bool split = false;     // all go through a proxy that has plain reads answered by replicas, which are late
};

class Network : public util::SimulatedWorld {
 public:
  Network(std::uint64_t seed, const ScriptTexts& scripts, const Faults& faults);

  // Time and chance.
  std::chrono::steady_clock::time_point now() override;
  void sleep_until(std::chrono::steady_clock::time_point wake) override;
  std::uint64_t random() override { return random_.next(); }
  bool chance(unsigned in_a_thousand) { return random_.below(1000) < in_a_thousand; }
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  void pass(milliseconds time) { sleep_until(now() + time); }

  // The nodes.
  Node& node(std::size_t at) { return *nodes_[at]; }
  Node& primary() { return *nodes_[primary_]; }
  const Node& primary() const { return *nodes_[primary_]; }
  std::size_t primary_at() const { return primary_; }
  std::size_t replica_at() { return (primary_ + 1 + below(nodes_.size() - 1)) % nodes_.size(); }
  bool are_replicas_writable() const { return are_replicas_writable_; }
  bool is_up(std::size_t at) const { return up_[at]; }
  Reply serve(std::size_t at, const Words& words);
  /// Who answers a command that came to that node: it itself; or, where a proxy splits reads from writes, a node of its
  /// choice, for a plain read.
  std::size_t answerer(std::size_t at, const Words& words);
  /// WAIT: how many replicas have what the node had written by `written`, some milliseconds from now.
  Reply wait(std::size_t at, std::size_t written);
  std::size_t written(std::size_t at) const { return nodes_[at]->written(); }
  /// A copy of a request that arrives later, whoever has stopped waiting for it.
  void deliver_later(std::size_t at, std::vector<Words> commands);

  /// One fault of a kind this run has, or nothing.
  void disturb();
  /// No more faults, one primary, everybody follows it.
  void heal();
  bool is_healed() const { return healed_; }
  const Faults& faults() const { return faults_; }

  /// What ran inside a round trip, for interleaving: called before and after each.
  std::function<void()> between;
  /// Called whenever time has passed, so within whatever waits.
  std::function<void()> passed;
  /// How often each thing happened.
  std::map<std::string, int> seen;
  /// When each entry of the sale's journal was first written, wherever.
  std::map<StreamId, std::int64_t> written_ms;
  /// True once something written was taken back, so that answers at level primary may be lost.
  bool may_have_lost = false;

 private:
  std::string fresh_id();
  void replicate();
  std::vector<std::size_t> acknowledged(std::size_t at) const;
  void fail_over();
  void end_zombie();
  void freeze();
  void restart();
  void forget();
  std::int64_t node_ms(std::size_t at) const;
  static bool wins_after_deadline(const Words& words, const Reply& reply, std::int64_t now_ms);

  util::Random random_;
  const Faults faults_;
  const bool are_replicas_writable_;
  bool anyone_tells_state_ = false;  // whether such a proxy takes INFO and TIME for reads
  LuaHost lua_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<bool> up_;
  std::array<std::int64_t, 3> skew_ms_{};
  std::size_t primary_ = 0;
  std::size_t zombie_ = SIZE_MAX;
  std::size_t zombie_had_ = 0;
  std::int64_t now_ms_ = 1'000'000;
  std::array<std::int64_t, 3> frozen_until_ms_{};  // what each hears of its primary, it hears from then on
  struct Late {
    std::int64_t due_ms;
    std::size_t node;
    std::vector<Words> commands;
  };
  std::vector<Late> late_;
  bool healed_ = false;
};

/// One process's connections. `crashes`: the process may be killed at any round trip.
class SimulatedPool : public ConnectionPool {
 public:
  SimulatedPool(Network& network, bool crashes) : network_(network), crashes_(crashes) {}

  Result<Lease> acquire(Role role, std::uint16_t slot, Deadline deadline) override;
  void report(Connection* connection, Heard heard, std::string_view text) override;
  void give_back(Connection* connection) override;

 private:
  Network& network_;
  const bool crashes_;
  std::size_t believed_ = 0;  // the primary, as far as this process knows
  std::vector<std::unique_ptr<Connection>> connections_;
};

}  // namespace flashsale::simulation
