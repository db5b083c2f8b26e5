/// Runs one script call of a control act, a worker or a reconcile, from lease to answer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/call_flow.hpp"
#include "core/keyspace.hpp"
#include "core/read_codec.hpp"
#include "core/scripts.hpp"
#include "flashsale/connection_pool.hpp"

namespace flashsale::engine {

/// Reads `commands` in one moment at the sale's primary, by read.lua; see there why not plainly. Each names its key
/// second. Whatever anything is concluded from is read by this. Errors: as run_script, with effect none.
Result<core::PrimaryRead> read_at_primary(ConnectionPool& pool, std::string_view sale,
                                          const std::vector<Command>& commands, Deadline deadline);

/// Sends plain commands in one round trip and returns all replies, retrying on other connections until `deadline`.
/// For writes that may run twice, and for reads that may be of the past: a proxy may answer them from a replica. An
/// error reply inside is an error here.
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
  core::Asks asks = core::Asks::follow;
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

/// SCRIPT LOAD of `script`, and of the one that tells the time, since either may be what a node said NOSCRIPT of.
std::vector<Command> load_commands(const core::Script& script);

/// The first error among `replies`, which are not empty; else the last of them.
const Reply& first_error(const std::vector<Reply>& replies);

/// Loads every script on the sale's primary, so that a gate without that right never meets NOSCRIPT.
Result<Done> load_scripts(ConnectionPool& pool, std::string_view sale, Deadline deadline);

/// Loads them if any is missing there: after SCRIPT FLUSH, or at a node that is new.
Result<Done> load_missing_scripts(ConnectionPool& pool, std::string_view sale, Deadline deadline);

/// The pause before attempt number `attempt` (from 1): 2 ms, doubling to 100 ms, jittered by half.
milliseconds pause_before(int attempt);

/// Sleeps for `time`, not past `deadline`. False: the deadline has come, or the thread is to stop.
bool sleep_within(milliseconds time, Deadline deadline);

}  // namespace flashsale::engine
