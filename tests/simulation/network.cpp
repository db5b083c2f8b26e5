#include "simulation/network.hpp"

#include <algorithm>

#include "core/scripts.hpp"

namespace flashsale::simulation {
namespace {

Error cut(Effect effect) { return {ErrorCode::disconnected, effect, "the simulated wire was cut"}; }

class Wire : public Connection {
 public:
  Wire(Network& network, std::size_t node, bool crashes) : network_(network), node_(node), crashes_(crashes) {}

  std::size_t node() const { return node_; }
  bool is_open() const { return open_; }
  void close() { open_ = false; }

  RoundTrip roundtrip(const std::vector<Command>& commands, Deadline deadline) override {
    happen();
    if (!open_ || !network_.is_up(node_)) return lose(Effect::none);
    std::vector<Words> words;
    for (const Command& command : commands) words.emplace_back(command.begin(), command.end());
    const bool disturbed = network_.faults().wire && !network_.is_healed();
    if (disturbed && network_.chance(10)) return lose(Effect::none);
    if (disturbed && network_.chance(15)) return lose(Effect::unknown);
    if (disturbed && network_.chance(40)) return stall(std::move(words), deadline);
    network_.pass(milliseconds(network_.below(2)));
    std::vector<Reply> replies;
    for (const Words& command : words) replies.push_back(serve(command));
    happen();
    network_.pass(milliseconds(network_.below(2)));
    if (disturbed && network_.chance(20)) return lose(Effect::unknown);
    // Instead of this answer the last one once more: whatever it answered, or the same kind of call.
    std::vector<Reply>& before =
        network_.chance(500) ? last_ : last_of_[words[0][0] + words[0].at(words[0].size() > 1)];
    if (disturbed && network_.chance(16) && before.size() == replies.size()) {
      ++network_.seen["repeated reply"];
      return {before, std::nullopt};
    }
    last_ = before = replies;
    return {std::move(replies), std::nullopt};
  }

  RoundTrip await(Deadline) override { return lose(Effect::unknown); }

 private:
  // As Redis has it since 7.2: a WAIT waits for what this connection wrote last, not for what it asked last.
  Reply serve(const Words& command) {
    // Through a proxy it may be sent on a connection that wrote nothing yet.
    const bool is_shared = network_.faults().split && network_.below(2) == 0;
    if (command[0] == "WAIT") return network_.wait(node_, is_shared ? 0 : last_write_);
    const std::size_t before = network_.written(node_);
    Reply reply = network_.serve(network_.answerer(node_, command), command);
    if (network_.written(node_) != before) last_write_ = network_.written(node_);
    return reply;
  }

  void happen() {
    if (crashes_ && network_.faults().crash && !network_.is_healed() && network_.chance(8)) {
      ++network_.seen["crash"];
      throw Crash{};
    }
    if (network_.between) network_.between();
  }

  RoundTrip lose(Effect effect) {
    open_ = false;
    ++network_.seen[effect == Effect::none ? "unsent" : "lost"];
    return {{}, cut(effect)};
  }

  // A proxy that holds a request back: its sender hears nothing, and it is delivered later all the same.
  RoundTrip stall(std::vector<Words> commands, Deadline deadline) {
    ++network_.seen["stalled"];
    network_.deliver_later(node_, std::move(commands));
    network_.sleep_until(deadline);
    return {{}, Error{ErrorCode::timed_out, Effect::unknown, "the simulated wire is slow"}};
  }

  Network& network_;
  const std::size_t node_;
  const bool crashes_;
  bool open_ = true;
  std::size_t last_write_ = 0;
  std::vector<Reply> last_;
  std::map<std::string, std::vector<Reply>> last_of_;
};

}  // namespace

Network::Network(std::uint64_t seed, const ScriptTexts& scripts, const Faults& faults)
    : random_(seed), faults_(faults), are_replicas_writable_(seed % 2 == 0), up_(3, true) {
  for (int i = 0; i < 3; ++i) nodes_.push_back(std::make_unique<Node>(lua_, scripts, fresh_id()));
  if (are_replicas_writable_)
    for (auto& node : nodes_) node->run_scripts_as_replica();
  nodes_[0]->promote(fresh_id());
  if (faults_.split) anyone_tells_state_ = below(2) == 0;
  for (std::size_t i = 1; i < 3; ++i) nodes_[i]->follow(*nodes_[0], SIZE_MAX);
}

std::string Network::fresh_id() {
  std::string id;
  while (id.size() < 40) id += "0123456789abcdef"[random_.below(16)];
  return id;
}

std::chrono::steady_clock::time_point Network::now() {
  return std::chrono::steady_clock::time_point(milliseconds(now_ms_));
}

std::int64_t Network::node_ms(std::size_t at) const { return kEpochMs + now_ms_ + skew_ms_[at]; }

/// What each replica of a node has of what it wrote.
std::vector<std::size_t> Network::acknowledged(std::size_t at) const {
  std::vector<std::size_t> written;
  for (std::size_t i = 0; i < nodes_.size() && at == primary_; ++i)
    if (i != at && up_[i] && nodes_[i]->id() == nodes_[at]->id()) written.push_back(nodes_[i]->written());
  return written;
}

// What its caller waits for is mostly not there yet, and each replica comes by it in its own time.
Reply Network::wait(std::size_t at, std::size_t written) {
  for (auto steps = 1 + below(2); steps > 0; --steps) pass(milliseconds(below(5)));
  const auto have = acknowledged(at);
  return integer(std::count_if(have.begin(), have.end(), [&](std::size_t has) { return has >= written; }));
}

Reply Network::serve(std::size_t at, const Words& words) {
  nodes_[at]->see_replicas(acknowledged(at));
  Reply reply = nodes_[at]->serve(words, node_ms(at));
  const auto& values = nodes_[at]->data().values();
  if (const auto journal = values.find("fs:{spring}:journal"); journal != values.end())
    written_ms.emplace(std::get<Stream>(journal->second).last, now_ms_);
  return reply;
}

std::size_t Network::answerer(std::size_t at, const Words& words) {
  const bool is_state = words[0] == "INFO" || words[0] == "TIME";
  const bool is_read = Keyspace::knows(words[0]) && !Keyspace::writes(words[0]);
  if (!faults_.split || !(is_state ? anyone_tells_state_ : is_read)) return at;
  const std::size_t chosen = below(3) == 0 ? at : replica_at();
  ++seen[nodes_[chosen]->written() < primary().written() ? "read of the past" : "read through a proxy"];
  return chosen;
}

void Network::deliver_later(std::size_t at, std::vector<Words> commands) {
  const std::uint64_t most_ms = below(2) == 0 ? 1200 : 100;  // that it is too late for most callers, or for few
  late_.push_back({now_ms_ + 1 + static_cast<std::int64_t>(below(most_ms)), at, std::move(commands)});
}

/// A late copy of a batch that won something although its `not_after` had passed by the clock of its node.
bool Network::wins_after_deadline(const Words& words, const Reply& reply, std::int64_t now_ms) {
  if (words[0] != "EVALSHA" || words[1] != core::script("reserve").sha1) return false;
  const std::string& not_after = words.at(5 + std::stoul(words[2]));
  return reply.elements.size() > 4 && reply.elements[4].text.find('a') != std::string::npos &&
         now_ms > std::stoll(not_after);
}

void Network::sleep_until(std::chrono::steady_clock::time_point wake) {
  const auto wake_ms = std::chrono::ceil<milliseconds>(wake.time_since_epoch()).count();
  while (!late_.empty()) {
    const auto next =
        std::min_element(late_.begin(), late_.end(), [](const Late& a, const Late& b) { return a.due_ms < b.due_ms; });
    if (next->due_ms > wake_ms) break;
    const Late late = std::move(*next);
    late_.erase(next);
    now_ms_ = std::max(now_ms_, late.due_ms);
    ++seen["delivered late"];
    if (up_[late.node])
      for (const Words& words : late.commands)
        if (wins_after_deadline(words, serve(late.node, words), node_ms(late.node))) ++seen["won after its deadline"];
  }
  now_ms_ = std::max(now_ms_, wake_ms);
  replicate();
  if (passed) passed();
}

void Network::replicate() {
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (i != primary_ && i != zombie_ && up_[i] && (healed_ || now_ms_ >= frozen_until_ms_[i]))
      nodes_[i]->follow(primary(), (faults_.lag || faults_.split) && !healed_ ? below(4) : SIZE_MAX);
}

void Network::fail_over() {
  end_zombie();
  const std::size_t old = primary_;
  primary_ = replica_at();
  // As often as not the one that is further behind: a priority beats the offset, and so does an operator's hand.
  const bool is_furthest = below(2) == 0;
  for (std::size_t i = 0; is_furthest && i < nodes_.size(); ++i)
    if (i != old && up_[i] && nodes_[i]->written() < nodes_[primary_]->written()) primary_ = i;
  may_have_lost |= primary().written() < nodes_[old]->written();
  ++seen[primary().written() < nodes_[old]->written() ? "failover with loss" : "failover"];
  primary().promote(fresh_id());
  zombie_ = old;
  zombie_had_ = nodes_[old]->written();
  if (!faults_.zombie) end_zombie();
}

void Network::end_zombie() {
  if (zombie_ == SIZE_MAX) return;
  if (nodes_[zombie_]->written() > zombie_had_) {
    may_have_lost = true;
    ++seen["zombie wrote"];
  }
  nodes_[zombie_]->follow(primary(), SIZE_MAX);
  zombie_ = SIZE_MAX;
}

void Network::restart() {
  const std::size_t lost = below(2) == 0 ? 0 : 1 + below(6);
  may_have_lost |= lost > 0;
  ++seen[lost > 0 ? "restart with loss" : "restart"];
  primary().restart(lost, fresh_id());
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (i != primary_ && i != zombie_) nodes_[i]->follow(primary(), SIZE_MAX);
}

void Network::forget() {
  switch (below(4)) {
    case 0:
      ++seen["flushed"];
      may_have_lost = true;
      return primary().flush();
    case 1:
    case 2: {
      static constexpr const char* kKeys[] = {"fs:{spring}:meta", "fs:{spring}:buyers", "fs:{spring}:journal",
                                              "fs:{spring}:holds", "fs:{spring}:ops"};
      ++seen["evicted"];
      may_have_lost = true;
      return primary().evict(kKeys[below(5)]);
    }
    default:
      ++seen["scripts flushed"];
      return primary().forget_scripts();
  }
}

/// All links, or the one of a replica that falls behind alone.
void Network::freeze() {
  const std::int64_t until_ms = now_ms_ + static_cast<std::int64_t>(below(1500));
  const bool is_alone = below(2) == 0;
  const std::size_t alone = replica_at();
  for (std::size_t i = 0; i < nodes_.size(); ++i)
    if (!is_alone || i == alone) frozen_until_ms_[i] = until_ms;
}

void Network::disturb() {
  if (healed_) return;
  switch (below(8)) {
    case 0:
      if (faults_.lag || faults_.zombie) fail_over();
      return;
    case 1:
      return end_zombie();
    case 2:
      if (faults_.restart) restart();
      return;
    case 3:
      if (faults_.forget) return forget();
      if (faults_.lag) freeze();
      return;
    case 4:
      if (!faults_.refuse) return;
      ++seen["writes refused"];
      return primary().refuse_writes(below(2) == 0 ? "OOM command not allowed when used memory > 'maxmemory'."
                                                   : "NOREPLICAS Not enough good replicas to write.");
    case 5:
      for (auto& node : nodes_) node->refuse_writes("");
      if (faults_.lag) freeze();
      return;
    case 6:
      if (!faults_.refuse) return;
      ++seen["XADD refused"];
      return primary().data().refuse_next_xadd();
    default:
      if (!faults_.clock) return;
      ++seen["clock set"];
      skew_ms_[below(3)] = static_cast<std::int64_t>(below(4000)) - 2000;
  }
}

void Network::heal() {
  end_zombie();
  for (auto& node : nodes_) {
    node->refuse_writes("");
    node->data().refuse_next_xadd(false);
  }
  healed_ = true;
  pass(milliseconds(2000));  // what was delayed has arrived
}

Result<Lease> SimulatedPool::acquire(Role role, std::uint16_t, Deadline) {
  if (network_.is_healed() || network_.chance(100)) believed_ = network_.primary_at();
  // A name that leads to a replica, which runs what writes: nobody but the script itself can tell.
  if (network_.are_replicas_writable() && !network_.is_healed() && network_.chance(40))
    believed_ = network_.replica_at();
  const std::size_t node = role == Role::replica ? network_.replica_at() : believed_;
  for (auto& connection : connections_) {
    auto* wire = static_cast<Wire*>(connection.get());
    if (wire != nullptr && wire->is_open() && wire->node() == node && network_.chance(900))
      return Lease(this, connection.release());
  }
  connections_.erase(std::remove(connections_.begin(), connections_.end(), nullptr), connections_.end());
  return Lease(this, new Wire(network_, node, crashes_));
}

void SimulatedPool::report(Connection* connection, Heard, std::string_view) {
  static_cast<Wire*>(connection)->close();
  if (network_.chance(800)) believed_ = network_.primary_at();
}

void SimulatedPool::give_back(Connection* connection) {
  std::unique_ptr<Connection> returned(connection);
  if (static_cast<Wire*>(connection)->is_open()) connections_.push_back(std::move(returned));
}

}  // namespace flashsale::simulation
