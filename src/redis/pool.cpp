#include "redis/pool.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <new>
#include <utility>

#include "flashsale/redis.hpp"
#include "util/stop.hpp"

namespace flashsale::redis {
namespace {

using Clock = Deadline::clock;

PoolOptions bounded(PoolOptions options) {
  options.connect_timeout = std::clamp(options.connect_timeout, milliseconds{1}, milliseconds{30'000});
  options.reconnect_min = std::clamp(options.reconnect_min, milliseconds{1}, milliseconds{30'000});
  options.reconnect_max = std::clamp(options.reconnect_max, options.reconnect_min, milliseconds{30'000});
  options.connections_max = std::clamp<std::size_t>(options.connections_max, 1, 1024);
  options.idle_check = std::clamp(options.idle_check, milliseconds{0}, milliseconds{3'600'000});
  return options;
}

}  // namespace

Pool::Pool(Url url, PoolOptions options)
    : login_{std::move(url.user), std::move(url.password), url.db},
      options_(bounded(options)),
      state_(std::make_unique<State>()) {
  state_->nodes.roles = url.topology == Topology::replicas;
  for (Node& address : url.nodes) {
    state_->nodes.list.emplace_back().address = std::move(address);
  }
}

// In a forked child the parent's threads are gone in the middle of whatever they did: the lock may be held for ever,
// and destroying a condition variable waits for waiters that no longer exist. So there the descriptors are closed if
// that is safe, and the rest is left.
Pool::~Pool() {
  if (!is_foreign()) return;
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

Result<Lease> Pool::acquire(Role role, std::uint16_t, Deadline deadline) {
  pid_t nobody = 0;
  owner_.compare_exchange_strong(nobody, getpid());
  if (is_foreign()) return fail(ErrorCode::forked, "this pool was used before the fork and belongs to the parent");
  try {
    return lend(role, deadline);
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::internal, "out of memory");
  }
}

Result<Lease> Pool::lend(Role role, Deadline deadline) {
  std::unique_lock lock(state_->mutex);
  for (;;) {
    const Choice choice = choose(state_->nodes, role, Clock::now(), options_.connections_max);
    if (!choice.node) {
      if (auto error = wait_for(choice, deadline, lock)) return tl::unexpected<Error>(std::move(*error));
      continue;
    }
    Attempt attempt = take(choice, deadline);
    lock.unlock();
    prepare(attempt);
    lock.lock();
    PooledConnection* ready = settle(attempt);
    state_->changed.notify_all();
    if (ready != nullptr) return Lease(this, ready);
    if (!attempt.error || !attempt.opens) continue;
    const bool last = attempt.error->code == ErrorCode::refused && choice.role == Role::primary;
    if (last || Clock::now() >= deadline || util::stop_requested())
      return tl::unexpected<Error>(std::move(*attempt.error));
  }
}

/// Waits for a change, or for a pause to end; an error once the deadline has passed, or the thread is to stop.
std::optional<Error> Pool::wait_for(const Choice& choice, Deadline deadline, std::unique_lock<std::mutex>& lock) {
  const NodeState& primary = state_->nodes.list[state_->nodes.primary];
  if (!choice.full && primary.is_refused) return Error{ErrorCode::refused, Effect::none, primary.trouble};
  if (Clock::now() < deadline && !util::stop_requested()) {
    state_->changed.wait_until(lock, std::min(choice.again, util::Wait(deadline).slice()));
    return std::nullopt;
  }
  if (choice.full) {
    return Error{ErrorCode::timed_out, Effect::none,
                 fmt::format("the pool is exhausted: all {} connections to {} are lent", options_.connections_max,
                             to_string(primary.address))};
  }
  return Error{ErrorCode::disconnected, Effect::none, describe_trouble(state_->nodes)};
}

Pool::Attempt Pool::take(const Choice& choice, Deadline deadline) {
  const auto now = Clock::now();
  NodeState& node = state_->nodes.list[*choice.node];
  Attempt attempt;
  attempt.node = *choice.node;
  attempt.role = choice.role;
  attempt.generation = node.generation;
  attempt.ask_role = state_->nodes.roles && !suits(node.standing, choice.role);
  attempt.deadline = std::min(now + options_.connect_timeout, deadline);
  // Where there are others to ask, a node that swallows packets must leave some time for them.
  if (state_->nodes.list.size() > 1) attempt.deadline = std::min(attempt.deadline, now + (deadline - now) / 2);
  attempt.hurried = attempt.deadline - now < options_.connect_timeout / 8;
  attempt.opens = node.idle.empty();
  if (attempt.opens) {
    attempt.ask_role = state_->nodes.roles;
    node.idle.reserve(node.open + 1);  // so that giving back never needs memory
    ++node.open;
    ++node.opening;
  } else {
    attempt.connection = std::move(node.idle.back());
    node.idle.pop_back();
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
  const bool old = Clock::now() - attempt.connection->idle_since >= options_.idle_check;
  if (!old && !attempt.ask_role) return;
  attempt.ask_role = state_->nodes.roles;
  const auto standing = greet(*attempt.connection, {}, attempt.ask_role, attempt.deadline);
  if (standing) {
    attempt.standing = *standing;
  } else {
    attempt.error = standing.error();
  }
} catch (const std::bad_alloc&) {
  // Whatever happens, `settle` must come, or the connection stays counted for ever.
  attempt.error = Error{ErrorCode::internal, Effect::none, "out of memory"};
}

void Pool::open(Attempt& attempt) const {
  const Node& address = state_->nodes.list[attempt.node].address;  // set once, so it needs no lock
  auto socket = Socket::connect(address, attempt.deadline);
  if (!socket) {
    attempt.error = std::move(socket.error());
    return;
  }
  attempt.connection = std::make_unique<PooledConnection>(std::move(*socket), attempt.node, attempt.generation);
  const auto standing = greet(*attempt.connection, login_, attempt.ask_role, attempt.deadline);
  if (standing) {
    attempt.standing = *standing;
  } else {
    attempt.error = standing.error();
    attempt.error->detail = fmt::format("{}: {}", to_string(address), attempt.error->detail);
  }
}

/// Writes down what was learned. The connection to lend, or none.
PooledConnection* Pool::settle(Attempt& attempt) {
  Nodes& nodes = state_->nodes;
  NodeState& node = nodes.list[attempt.node];
  if (attempt.opens) --node.opening;
  const bool stale = attempt.generation != node.generation;
  if (attempt.error || stale) {
    settle_failure(attempt, node);
    return nullptr;
  }
  if (attempt.opens) {
    node.reach.worked();
    node.is_refused = false;
  }
  if (attempt.ask_role) node.standing = attempt.standing;
  if (nodes.roles && !suits(node.standing, attempt.role)) {
    node.fit[static_cast<std::size_t>(attempt.role)].failed(Clock::now(), options_, state_->random.next());
    attempt.connection->idle_since = Clock::now();
    node.idle.push_back(std::move(attempt.connection));  // of use for the other role
    node.trouble = fmt::format("{} is {}", to_string(node.address), name(node.standing));
    return nullptr;
  }
  node.fit[static_cast<std::size_t>(attempt.role)].worked();
  if (attempt.role == Role::primary) {
    nodes.primary = attempt.node;
    node.trouble.clear();
  }
  return attempt.connection.release();
}

void Pool::settle_failure(Attempt& attempt, NodeState& node) {
  attempt.connection.reset();
  --node.open;
  if (!attempt.error || !attempt.opens) return;
  const auto now = Clock::now();
  // A caller in a hurry learned nothing about the node.
  if ((attempt.hurried || util::stop_requested()) && attempt.error->code == ErrorCode::timed_out) return;
  node.reach.failed(now, options_, state_->random.next());
  node.is_refused = attempt.error->code == ErrorCode::refused;
  node.trouble = attempt.error->detail;
}

/// The node's role, or its very address, is in doubt: its connections are not lent again.
void Pool::doubt(NodeState& node, std::string_view text) {
  ++node.generation;
  node.standing = Standing::unknown;
  node.open -= node.idle.size();
  node.idle.clear();
  node.fit[static_cast<std::size_t>(Role::primary)].failed(Clock::now(), options_, state_->random.next());
  node.trouble = fmt::format("{}: {}", to_string(node.address), text.substr(0, 200));
}

void Pool::report(Connection* connection, Heard heard, std::string_view text) try {
  if (is_foreign() || heard == Heard::ask) return;
  auto& pooled = static_cast<PooledConnection&>(*connection);
  pooled.spoiled = true;
  if (heard != Heard::not_primary) return;
  std::lock_guard lock(state_->mutex);
  NodeState& node = state_->nodes.list[pooled.node];
  if (pooled.generation == node.generation) doubt(node, text);
} catch (const std::bad_alloc&) {
  // Only the text for people is missing.
}

void Pool::give_back(Connection* connection) {
  std::unique_ptr<PooledConnection> pooled(static_cast<PooledConnection*>(connection));
  if (is_foreign()) return;
  const auto now = Clock::now();
  {
    std::lock_guard lock(state_->mutex);
    NodeState& node = state_->nodes.list[pooled->node];
    if (pooled->spoiled || !pooled->is_usable() || pooled->generation != node.generation) {
      --node.open;
    } else {
      pooled->idle_since = now;
      node.idle.push_back(std::move(pooled));
    }
  }
  state_->changed.notify_all();
}

}  // namespace flashsale::redis

namespace flashsale {

Result<std::shared_ptr<ConnectionPool>> make_pool(std::string_view url, PoolOptions options) try {
  auto parsed = redis::parse_url(url);
  if (!parsed) return tl::unexpected<Error>(std::move(parsed.error()));
  return std::make_shared<redis::Pool>(std::move(*parsed), options);
} catch (const std::bad_alloc&) {
  return fail(ErrorCode::internal, "out of memory");
}

}  // namespace flashsale
