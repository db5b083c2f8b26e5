#include "engine/script_runner.hpp"

#include <algorithm>

#include "core/error_reply.hpp"
#include "core/numbers.hpp"
#include "core/times.hpp"
#include "engine/node_clock.hpp"
#include "util/deadline.hpp"
#include "util/random.hpp"
#include "util/stop.hpp"

namespace flashsale::engine {

milliseconds pause_before(int attempt) {
  const auto base = std::min(100, 2 << std::min(attempt - 1, 8));
  return milliseconds{base / 2 + static_cast<int>(util::random_u64() % static_cast<unsigned>(base / 2 + 1))};
}

bool sleep_within(milliseconds time, Deadline deadline) {
  if (util::stop_requested()) return false;
  const auto wake = std::min<Deadline>(util::Clock::now() + time, deadline);
  util::sleep_until(wake);
  return wake < deadline;
}

namespace {

std::vector<Command> load_all() {
  std::vector<Command> commands;
  for (const core::Script& script : core::embedded_scripts()) commands.push_back({"SCRIPT", "LOAD", script.text});
  return commands;
}

/// Drives one CallFlow: `send` does the round trip for Step::send and yields the reply that decides.
class Driver {
 public:
  Driver(ConnectionPool& pool, Role role, std::string_view sale, core::Asks asks, Deadline deadline)
      : pool_(pool), role_(role), slot_(core::slot_of(sale)), deadline_(deadline), flow_(asks) {}

  template <class Send>
  Result<std::vector<Reply>> run(const core::Script* script, Send send) {
    core::Step step = flow_.begin();
    for (;;) {
      switch (step) {
        case core::Step::lease:
          step = lease();
          break;
        case core::Step::send:
          step = heed(send(*lease_.get(), deadline_), script == nullptr);
          break;
        case core::Step::load:
          if (script == nullptr) return fail(ErrorCode::protocol, replies_.back().text);  // a plain command has none
          step = load();
          break;
        case core::Step::await:  // nothing else waits here, so the deadline itself was the end
          step = flow_.expired();
          lease_.report(Heard::broken);
          break;
        case core::Step::pause:
          step = pause();
          break;
        case core::Step::answer:
          return std::move(replies_);
        case core::Step::fail:
          return tl::unexpected<Error>(flow_.error());
      }
    }
  }

  Effect effect() const { return flow_.effect(); }
  /// What was read was not the answer to what was sent: the connection is of no use any more.
  void broken() { lease_.report(Heard::broken); }

  /// The script answered, but the answer asks for another attempt.
  bool again() {
    lease_ = Lease();
    return sleep_within(pause_before(++attempts_), deadline_);
  }

 private:
  core::Step lease() {
    auto lease = pool_.acquire(role_, slot_, deadline_);
    if (!lease) return flow_.not_leased(lease.error());
    lease_ = std::move(*lease);
    return flow_.leased();
  }

  /// All of them: a node that has forgotten one has forgotten the others, and gates may not load any.
  core::Step load() {
    RoundTrip trip = lease_->roundtrip(load_all(), deadline_);
    return trip.error ? flow_.stopped(*trip.error) : flow_.loaded(first_error(trip.replies));
  }

  core::Step heed(RoundTrip trip, bool every_reply) {
    if (trip.error) return flow_.stopped(*trip.error);
    replies_ = std::move(trip.replies);
    return flow_.replied(every_reply ? first_error(replies_) : replies_.back());
  }

  core::Step pause() {
    if (const auto heard = flow_.heard()) lease_.report(*heard, flow_.heard_text());
    lease_ = Lease();
    return sleep_within(pause_before(++attempts_), deadline_) ? flow_.resumed() : flow_.expired();
  }

  ConnectionPool& pool_;
  const Role role_;
  const std::uint16_t slot_;
  const Deadline deadline_;
  core::CallFlow flow_;
  Lease lease_;
  std::vector<Reply> replies_;
  int attempts_ = 0;
};

/// Two replies tell the time: a read's, so that nobody asks for it apart; and `late`, for where the node's clock was
/// set ahead each further try on the connection would else be late too.
void heed_time(Connection& connection, const core::Script& script, const Reply& reply) {
  const auto& fields = reply.elements;
  if (fields.size() < 3 || !core::is_time(fields[2].integer) || fields[2].integer == 0) return;
  if (fields[1].text == "late" || script.name == "read") note_clock(connection, fields[2].integer);
}

}  // namespace

Result<std::vector<Reply>> run_commands(ConnectionPool& pool, Role role, std::string_view sale,
                                        const std::vector<Command>& commands, Deadline deadline) {
  // Scripts echo their nonce; plain commands do not, so an ECHO of its own goes ahead. A reply that was repeated on the
  // way would otherwise pass for this call's: a reconcile read from one that nothing had survived. A PING would not do:
  // proxies answer it without its argument, and Redis refuses it while its disk fails.
  std::string nonce;
  std::vector<Command> all{{"ECHO", nonce}};
  all.insert(all.end(), commands.begin(), commands.end());
  return Driver(pool, role, sale, core::Asks::wait_out, deadline)
      .run(nullptr, [&](Connection& connection, Deadline until) {
        nonce = util::random_hex(8);
        all[0][1] = nonce;
        RoundTrip trip = connection.roundtrip(all, until);
        if (trip.error || trip.replies[0].type == Reply::Type::error) return trip;
        if (trip.replies[0].text != nonce)
          return RoundTrip{{}, Error{ErrorCode::disconnected, Effect::unknown, "the reply was to another call"}};
        trip.replies.erase(trip.replies.begin());
        return trip;
      });
}

Result<ScriptAnswer> run_script(ConnectionPool& pool, std::string_view sale, ScriptCall call, Deadline deadline) {
  const core::Script& script = core::script(call.script);
  const std::string key_count = std::to_string(call.keys.size());
  Driver driver(pool, Role::primary, sale, call.asks, deadline);
  const auto send = [&](Connection& connection, Deadline until) -> RoundTrip {
    if (call.not_after_at >= 0 && !connection.clock.known) {
      RoundTrip told = learn_clock(connection, call.keys.front(), until);
      if (!connection.clock.known) return told;
    }
    if (call.not_after_at >= 0)
      call.arguments[static_cast<std::size_t>(call.not_after_at)] =
          std::to_string(util::steady_ms(until) + connection.clock.ahead_ms);
    call.arguments[static_cast<std::size_t>(call.nonce_at)] = util::random_hex(8);
    Command command{"EVALSHA", script.sha1, key_count};
    command.insert(command.end(), call.keys.begin(), call.keys.end());
    command.insert(command.end(), call.arguments.begin(), call.arguments.end());
    RoundTrip trip = connection.roundtrip({command}, until);
    if (trip.error) return trip;
    heed_time(connection, script, trip.replies[0]);
    core::heed_no_primary(trip.replies[0], call.arguments[static_cast<std::size_t>(call.nonce_at)]);
    return trip;
  };
  for (;;) {
    auto replies = driver.run(&script, send);
    if (!replies) return tl::unexpected<Error>(std::move(replies.error()));
    ScriptAnswer answer{std::move(replies->back().elements), driver.effect()};
    if (answer.fields.size() < 2 || answer.text(0) != call.arguments[static_cast<std::size_t>(call.nonce_at)]) {
      driver.broken();
      return fail(ErrorCode::protocol, "the script's reply does not carry the call's nonce", Effect::unknown);
    }
    if (answer.verdict() != "late") return answer;
    if (!driver.again())
      return fail(ErrorCode::timed_out, "Redis had no time for it before the deadline", answer.earlier);
  }
}

Result<core::PrimaryRead> read_at_primary(ConnectionPool& pool, std::string_view sale,
                                          const std::vector<Command>& commands, Deadline deadline) {
  // A key of a half-moved slot that is missing at the target may be one that has not come yet.
  ScriptCall call{"read", core::keys_of(commands), {""}, -1, 0, core::Asks::wait_out};
  core::append_commands(commands, call.arguments);
  auto answer = run_script(pool, sale, std::move(call), deadline);
  if (answer) return core::take_read(std::move(answer->fields), commands.size());
  answer.error().effect = Effect::none;  // it changes nothing, whatever became of it
  return tl::unexpected<Error>(std::move(answer.error()));
}

std::vector<Command> load_commands(const core::Script& script) {
  std::vector<Command> commands{{"SCRIPT", "LOAD", script.text}};
  if (script.name != "read") commands.insert(commands.begin(), {"SCRIPT", "LOAD", core::script("read").text});
  return commands;
}

const Reply& first_error(const std::vector<Reply>& replies) {
  for (const Reply& reply : replies)
    if (reply.type == Reply::Type::error) return reply;
  return replies.back();
}

Result<Done> load_scripts(ConnectionPool& pool, std::string_view sale, Deadline deadline) {
  auto replies = run_commands(pool, Role::primary, sale, load_all(), deadline);
  if (!replies) return tl::unexpected<Error>(std::move(replies.error()));
  return {};
}

Result<Done> load_missing_scripts(ConnectionPool& pool, std::string_view sale, Deadline deadline) {
  Command command{"SCRIPT", "EXISTS"};
  for (const core::Script& script : core::embedded_scripts()) command.push_back(script.sha1);
  auto replies = run_commands(pool, Role::primary, sale, {command}, deadline);
  if (!replies) return tl::unexpected<Error>(std::move(replies.error()));
  const auto& known = replies->back().elements;
  const bool all = known.size() == command.size() - 2 &&
                   std::all_of(known.begin(), known.end(), [](const Reply& there) { return there.integer == 1; });
  return all ? Result<Done>{} : load_scripts(pool, sale, deadline);
}

}  // namespace flashsale::engine
