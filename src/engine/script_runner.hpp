/// Runs one script call of a control act, a worker or a reconcile, from lease to answer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/keyspace.hpp"
#include "flashsale/connection_pool.hpp"

namespace flashsale::engine {

/// Sends plain commands in one round trip and returns all replies, retrying on other connections until `deadline`.
/// For commands that may run twice. An error reply inside is an error here.
Result<std::vector<Reply>> run_commands(ConnectionPool& pool, Role role, std::string_view sale,
                                        const std::vector<Command>& commands, Deadline deadline);

/// One script call on a sale's primary: `keys`, then `arguments`. Two places of ARGV are filled in here, anew at every
/// send: not_after_ms, from the node's clock, and the nonce, which the reply must carry.
struct ScriptCall {
  std::string_view script;
  std::vector<std::string_view> keys;
  std::vector<std::string> arguments;
  int not_after_at = -1;  ///< index in `arguments`; -1: the script takes none
  int nonce_at = 0;       ///< index in `arguments`
};

/// The answer: {nonce, verdict, ...}, its nonce checked.
struct ScriptAnswer {
  std::vector<Reply> fields;
  Effect earlier = Effect::none;  ///< unknown: another copy was sent, and what became of it was not heard
  std::string_view verdict() const { return fields[1].text; }
  std::int64_t integer(std::size_t i) const { return i < fields.size() ? fields[i].integer : 0; }
  std::string_view text(std::size_t i) const {
    return i < fields.size() ? std::string_view(fields[i].text) : std::string_view();
  }
};

/// Runs `call`, sending again until `deadline` whatever may be sent again. Errors: as core::CallFlow decides.
Result<ScriptAnswer> run_script(ConnectionPool& pool, std::string_view sale, ScriptCall call, Deadline deadline);

/// What a call flow is told where a script, or what it said, shows that the node is no primary.
Reply no_primary();

/// Loads every script on the sale's primary, so that a gate without that right never meets NOSCRIPT.
Result<Done> load_scripts(ConnectionPool& pool, std::string_view sale, Deadline deadline);

/// Loads them if any is missing there: after SCRIPT FLUSH, or at a node that is new.
Result<Done> load_missing_scripts(ConnectionPool& pool, std::string_view sale, Deadline deadline);

/// The pause before attempt number `attempt` (from 1): 2 ms, doubling to 100 ms, jittered by half.
milliseconds pause_before(int attempt);

/// Sleeps for `time`, not past `deadline`. False: the deadline has come, or the thread is to stop.
bool sleep_within(milliseconds time, Deadline deadline);

}  // namespace flashsale::engine
