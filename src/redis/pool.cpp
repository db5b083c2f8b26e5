#include "redis/pool.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "core/error_reply.hpp"
#include "flashsale/redis.hpp"
#include "redis/dial.hpp"
#include "util/stop.hpp"

namespace flashsale::redis {
namespace {

constexpr milliseconds kLookAtPrimaryEvery{1000};

using Clock = Deadline::clock;

PoolOptions bounded(PoolOptions options) {
  options.connect_timeout = std::clamp(options.connect_timeout, milliseconds{1}, milliseconds{30'000});
  options.reconnect_min = std::clamp(options.reconnect_min, milliseconds{1}, milliseconds{30'000});
  options.reconnect_max = std::clamp(options.reconnect_max, options.reconnect_min, milliseconds{30'000});
  options.connections_max = std::clamp<std::size_t>(options.connections_max, 1, 1024);
  options.replica_lag_max = std::clamp(options.replica_lag_max, milliseconds{1}, milliseconds{30'000});
  options.replica_lag_bytes_max = std::clamp<std::int64_t>(options.replica_lag_bytes_max, 0, kReplicaLagBytesMax);
  options.idle_check = std::clamp(options.idle_check, milliseconds{0}, milliseconds{3'600'000});
  return options;
}

}  // namespace

Pool::Pool(Url url)
    : url_(std::move(url)),
      options_(bounded(url_.options)),
      tls_(url_.tls.on ? make_tls(url_.tls) : nullptr),
      state_(std::make_unique<State>()) {
  Nodes& nodes = state_->nodes;
  nodes.topology = url_.topology;
  if (nodes.is_surveyed()) {
    state_->directory.seeds = url_.nodes;
    return;
  }
  TopologyMap map;
  map.shards.push_back({url_.nodes[0], {url_.nodes.begin() + 1, url_.nodes.end()}, {}});
  adopt(nodes, map);
  for (std::size_t i = 0; i < nodes.list.size(); ++i) nodes.list[i].is_replica = false;  // roles are asked for
  if (nodes.topology == Topology::replicas) nodes.shards[0].replicas.insert(nodes.shards[0].replicas.begin(), 0);
}

// In a forked child the parent's threads are gone in the middle of whatever they did: the lock may be held for ever,
// and destroying a condition variable waits for waiters that no longer exist. So there the descriptors are closed if
// that is safe, and the rest is left.
Pool::~Pool() {
  if (!is_foreign()) {
    for (NodeState& node : state_->nodes.list) doubt(node);
    return;
  }
  if (state_->mutex.try_lock()) {
    for (NodeState& node : state_->nodes.list) node.idle.clear();
  }
  (void)state_.release();
}

/// True in a child of the process that used this pool first.
bool Pool::is_foreign() const {
  const pid_t owner = owner_.load();
  return owner != 0 && owner != getpid();
}

/// False in such a child.
bool Pool::mark_owner() {
  pid_t nobody = 0;
  owner_.compare_exchange_strong(nobody, getpid());
  return !is_foreign();
}

Result<Lease> Pool::acquire(Role role, std::uint16_t slot, Deadline deadline) try {
  if (!mark_owner()) return fail(ErrorCode::forked, "this pool was used before the fork and belongs to the parent");
  return lend(role, slot, deadline);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::internal, "out of memory");
}

Result<Lease> Pool::lend(Role role, std::uint16_t slot, Deadline deadline) {
  Lock lock(state_->mutex);
  for (;;) {
    const auto now = Clock::now();
    if (survey_is_due(now) && now < deadline && !util::stop_requested()) {
      survey(deadline, lock);
      continue;
    }
    const Choice choice = choose(state_->nodes, role, slot, now, options_);
    if (!choice.node) {
      if (auto error = wait_for(choice, slot, deadline, lock)) return tl::unexpected<Error>(std::move(*error));
      continue;
    }
    auto ready = try_choice(choice, deadline, lock);
    if (!ready) return tl::unexpected<Error>(std::move(ready.error()));
    if (*ready == nullptr) continue;
    Lease lease(this, *ready);
    if (!choice.looks) return lease;
    lock.unlock();
    lease = Lease();  // back among the idle ones
    lock.lock();
  }
}

/// A connection to lend; nullptr: choose again; an error: choosing again cannot help.
Result<PooledConnection*> Pool::try_choice(const Choice& choice, Deadline deadline, Lock& lock) {
  Attempt attempt = take(choice, deadline);
  lock.unlock();
  prepare(attempt);
  lock.lock();
  PooledConnection* const ready = settle(attempt);
  state_->changed.notify_all();
  if (ready != nullptr || !attempt.error || !attempt.opens || choice.looks) return ready;
  // Where others can say who the primary is, even a refusal may be that of a node which is no more.
  const bool last =
      attempt.error->code == ErrorCode::refused && choice.role == Role::primary && !state_->nodes.is_surveyed();
  if (last || Clock::now() >= deadline || util::stop_requested())
    return tl::unexpected<Error>(std::move(*attempt.error));
  return nullptr;
}

/// Waits for a change, or for a pause to end; an error once the deadline has passed, or the thread is to stop.
std::optional<Error> Pool::wait_for(const Choice& choice, std::uint16_t slot, Deadline deadline, Lock& lock) {
  Nodes& nodes = state_->nodes;
  Directory& directory = state_->directory;
  const Shard* const shard = nodes.shard_for(slot);
  const NodeState* const primary = shard == nullptr ? nullptr : &nodes.list[shard->primary];
  if (!choice.full && primary != nullptr && primary->is_refused && !nodes.is_surveyed())
    return Error{ErrorCode::refused, Effect::none, primary->trouble};
  if (Clock::now() < deadline && !util::stop_requested()) {
    // A slot that nobody serves may be served by the next map.
    if (nodes.is_surveyed() && shard == nullptr) doubt_topology();
    Deadline again = std::min(choice.again, util::Wait(deadline).slice());
    if (nodes.is_surveyed() && directory.in_doubt && !directory.under_way)
      again = std::min(again, directory.pause.until());
    state_->changed.wait_until(lock, again);
    return std::nullopt;
  }
  if (choice.full) {
    return Error{ErrorCode::timed_out, Effect::none,
                 fmt::format("the pool is exhausted: all {} connections to {} are lent", options_.connections_max,
                             to_string(primary->address))};
  }
  const bool refused = directory.is_refused || (primary != nullptr && primary->is_refused);
  std::string detail = describe_trouble(nodes, slot);
  if (!directory.trouble.empty()) detail += (detail.empty() ? "" : "; ") + directory.trouble;
  if (detail.empty() && shard == nullptr) detail = "no node of the cluster serves the sale's slot";
  if (detail.empty()) detail = "no connection before the deadline";
  return Error{refused ? ErrorCode::refused : ErrorCode::disconnected, Effect::none, std::move(detail)};
}

Pool::Attempt Pool::take(const Choice& choice, Deadline deadline) {
  const auto now = Clock::now();
  NodeState& node = state_->nodes.list[*choice.node];
  Attempt attempt;
  attempt.node = *choice.node;
  attempt.choice = choice;
  attempt.address = node.address;
  attempt.generation = node.generation;
  attempt.reads_only = url_.topology == Topology::cluster && node.is_replica;
  attempt.deadline = std::min(now + options_.connect_timeout, deadline);
  // Where there are others to ask, a node that swallows packets must leave some time for them.
  if (state_->nodes.has_roles()) attempt.deadline = std::min(attempt.deadline, now + (deadline - now) / 2);
  attempt.begun = now;
  attempt.opens = node.idle.empty();
  if (state_->nodes.has_roles()) {
    // A primary that was demoted answers plain reads as ever: on a connection that is never idle somebody must ask.
    const milliseconds every =
        choice.role == Role::replica ? look_every(options_) : std::min(options_.idle_check, kLookAtPrimaryEvery);
    attempt.ask_role =
        attempt.opens || choice.looks || !suits(node.standing, choice.role) || now - node.looked_at >= every;
    if (choice.asking) attempt.ask_role = false;
    if (attempt.ask_role) node.looked_at = now;
  }
  if (attempt.opens) {
    node.idle.reserve(node.open + 1);  // so that giving back never needs memory
    count_open(node, 1);
    ++node.opening;
    note_circuit(node);
  } else {
    attempt.connection = std::move(node.idle.back());
    node.idle.pop_back();
    const Deadline since = attempt.connection->idle_since;
    attempt.check = attempt.ask_role || now - since >= options_.idle_check || since <= node.suspect_since;
  }
  return attempt;
}

/// The part with I/O: opens a connection, or sees whether an idle one still lives.
void Pool::prepare(Attempt& attempt) const try {
  if (attempt.opens) return open(attempt);
  if (!attempt.connection->is_quiet()) {
    attempt.error = Error{ErrorCode::disconnected, Effect::none, "an idle connection was closed"};
    return;
  }
  if (!attempt.check) return;
  const auto part = greet(*attempt.connection, {}, attempt.ask_role, attempt.deadline);
  if (part) {
    attempt.part = *part;
  } else {
    attempt.error = part.error();
  }
} catch (const std::bad_alloc&) {
  // Whatever happens, `settle` must come, or the connection stays counted for ever.
  attempt.error = Error{ErrorCode::internal, Effect::none, "out of memory"};
}

void Pool::open(Attempt& attempt) const {
  auto login = login_as(url_.user);
  if (!login) {
    attempt.error = std::move(login.error());
    return;
  }
  login->db = url_.db;
  login->reads_only = attempt.reads_only;
  auto channel = dial(attempt.address, tls_.get(), attempt.deadline);
  if (!channel) {
    attempt.error = std::move(channel.error());
    return;
  }
  attempt.connection = std::make_unique<PooledConnection>(std::move(*channel), attempt.node, attempt.generation);
  const auto part = greet(*attempt.connection, *login, attempt.ask_role, attempt.deadline);
  if (part) {
    attempt.part = *part;
  } else {
    attempt.error = part.error();
    // A port that expects TLS says nothing that a person could read.
    const bool silent = attempt.error->code == ErrorCode::disconnected && !tls_ && attempt.address.path.empty();
    const char* const hint = silent ? " (if it speaks TLS, the URL's scheme must be rediss)" : "";
    attempt.error->detail = fmt::format("{}: {}{}", to_string(attempt.address), attempt.error->detail, hint);
  }
}

/// Writes down what was learned. The connection to lend, or none.
PooledConnection* Pool::settle(Attempt& attempt) {
  Nodes& nodes = state_->nodes;
  NodeState& node = nodes.list[attempt.node];
  const auto now = Clock::now();
  const Role role = attempt.choice.role;
  if (attempt.opens) --node.opening;
  if (attempt.check) node.metrics->checks.fetch_add(1, std::memory_order_relaxed);
  if (attempt.error || attempt.generation != node.generation) {
    settle_failure(attempt, node);
    note_circuit(node);
    return nullptr;
  }
  if (attempt.opens || attempt.check) node.silent_since = {};
  if (attempt.opens) {
    node.reach.worked();
    node.is_refused = false;
    node.metrics->connects.fetch_add(1, std::memory_order_relaxed);
    note_circuit(node);
  }
  note_part(node, attempt);
  if (auto why = misfit(node, attempt, now)) {
    node.fit[static_cast<std::size_t>(role)].failed(now, options_, state_->random.next());
    attempt.connection->idle_since = now;
    node.idle.push_back(std::move(attempt.connection));  // of use for the other role
    node.trouble = fmt::format("{} is {}", to_string(node.address), *why);
    if (role == Role::primary) distrust_topology();
    return nullptr;
  }
  node.fit[static_cast<std::size_t>(role)].worked();
  if (role == Role::primary && !attempt.choice.asking) {
    if (nodes.topology == Topology::replicas) nodes.shards[0].primary = attempt.node;
    if (attempt.opens) state_->directory.pause.worked();
    node.trouble.clear();
  }
  attempt.connection->asking = attempt.choice.asking;
  return attempt.connection.release();
}

void Pool::note_part(NodeState& node, const Attempt& attempt) {
  if (!attempt.ask_role) return;
  node.standing = attempt.part.standing;
  node.offset = attempt.part.offset;
  if (node.standing == Standing::primary) node.trail.note(node.looked_at, node.offset);
}

/// Why the node must not be lent for what it was chosen for.
std::optional<std::string> Pool::misfit(NodeState& node, const Attempt& attempt, Deadline now) {
  const Role role = attempt.choice.role;
  if (!state_->nodes.has_roles() || attempt.choice.asking) return std::nullopt;
  if (!suits(node.standing, role)) return std::string(name(node.standing));
  if (role == Role::primary) return std::nullopt;
  const NodeState& primary = state_->nodes.list[attempt.choice.primary];
  if (const auto lag = primary.trail.lag_of(node.offset, now)) node.metrics->lag_bytes.store(lag->bytes);
  return stale_replica(node, primary, now, options_);
}

void Pool::settle_failure(Attempt& attempt, NodeState& node) {
  attempt.connection.reset();
  count_open(node, -1);
  if (!attempt.error) return;
  const bool timed_out = attempt.error->code == ErrorCode::timed_out;
  // An idle connection that was closed says little; one that does not answer says that the node does not.
  if (!attempt.opens && !timed_out) return;
  const auto now = Clock::now();
  if (timed_out) {
    // One caller in a hurry learned nothing about the node; several who heard nothing in all that time did.
    if (util::stop_requested()) return;
    if (node.silent_since == Deadline{}) node.silent_since = attempt.begun;
    if (now - node.silent_since < options_.connect_timeout / 8) return;
  }
  if (!attempt.opens) doubt(node);
  node.reach.failed(now, options_, state_->random.next());
  node.is_refused = attempt.error->code == ErrorCode::refused;
  node.trouble = attempt.error->detail;
  node.metrics->failures.fetch_add(1, std::memory_order_relaxed);
  if (attempt.choice.role == Role::primary) distrust_topology();
}

void Pool::note_circuit(const NodeState& node) {
  const int open = node.reach.until() > Clock::now() ? 2 : 1;
  node.metrics->circuit.store(node.reach.has_failed() ? open : 0, std::memory_order_relaxed);
}

void Pool::report(Connection* connection, Heard heard, std::string_view text) try {
  if (is_foreign()) return;
  auto& pooled = static_cast<PooledConnection&>(*connection);
  pooled.spoiled |= heard != Heard::ask;
  std::lock_guard lock(state_->mutex);
  if (heard == Heard::moved || heard == Heard::ask) {
    heard_redirect(pooled, heard, text);
  } else {
    heard_trouble(pooled, heard, text);
  }
} catch (const std::bad_alloc&) {
  // Only the text for people, or a short cut to the right node, is missing.
}

void Pool::heard_redirect(PooledConnection& connection, Heard heard, std::string_view text) {
  constexpr std::size_t kAsksMax = 64;
  Nodes& nodes = state_->nodes;
  NodeState& node = nodes.list[connection.node];
  node.metrics->redirects.fetch_add(1, std::memory_order_relaxed);
  const auto redirect = read_redirect(text, node.address);
  if (!redirect) return doubt_topology();
  if (nodes.topology != Topology::cluster) {
    node.is_refused = true;
    node.trouble = fmt::format("{} is part of a cluster; the URL's scheme must be redis+cluster or rediss+cluster",
                               to_string(node.address));
    node.fit[static_cast<std::size_t>(Role::primary)].failed(Clock::now(), options_, state_->random.next());
    return;
  }
  const auto target = find_or_add(nodes, redirect->node);
  if (!target) return doubt_topology();
  if (heard == Heard::ask) {
    nodes.list[*target].listed = true;  // its place is taken, though no slot is its own yet
    nodes.asks.push_back({redirect->slot, *target});
    if (nodes.asks.size() > kAsksMax) nodes.asks.pop_front();
    return;
  }
  move_slot(nodes, redirect->slot, *target);
  doubt_topology();  // one slot that moved is seldom alone
}

void Pool::heard_trouble(PooledConnection& connection, Heard heard, std::string_view text) {
  NodeState& node = state_->nodes.list[connection.node];
  if (connection.generation != node.generation) return;
  node.suspect_since = Clock::now();
  if (!node.is_replica) doubt_topology();
  if (heard != Heard::not_primary) return;
  node.metrics->role_changes.fetch_add(1, std::memory_order_relaxed);
  doubt(node);
  for (Pause& fit : node.fit) fit.failed(Clock::now(), options_, state_->random.next());
  node.trouble = fmt::format("{}: {}", to_string(node.address), core::in_words(text).substr(0, 200));
}

void Pool::give_back(Connection* connection) {
  std::unique_ptr<PooledConnection> pooled(static_cast<PooledConnection*>(connection));
  if (is_foreign()) return;
  const auto now = Clock::now();
  {
    std::lock_guard lock(state_->mutex);
    NodeState& node = state_->nodes.list[pooled->node];
    if (pooled->spoiled || !pooled->is_usable() || pooled->generation != node.generation) {
      count_open(node, -1);
    } else {
      pooled->asking = false;
      pooled->idle_since = now;
      node.idle.push_back(std::move(pooled));
    }
  }
  state_->changed.notify_all();
}

}  // namespace flashsale::redis

namespace flashsale {

Result<std::shared_ptr<ConnectionPool>> make_pool(std::string_view url, PoolOptions options) try {
  auto parsed = redis::parse_url(url, options);
  if (!parsed) return tl::unexpected<Error>(std::move(parsed.error()));
  if (parsed->tls.on && !redis::has_tls())
    return fail(ErrorCode::unsupported, "Redis URL: this library was built without TLS (FLASHSALE_TLS)");
  return std::make_shared<redis::Pool>(std::move(*parsed));
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::internal, "out of memory");
}

}  // namespace flashsale
