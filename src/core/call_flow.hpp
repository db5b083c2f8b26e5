/// What to do next with one script call: lease, send, await, load the script, answer, fail. Decides, does no I/O;
/// lanes, control acts and the fault tests all drive this one machine.
///
///                 leased                     replied: an answer
///   begin --> LEASE -----> SEND ------------------------------------> ANSWER
///              ^  |          ^ | replied: NOSCRIPT --> LOAD --loaded--> SEND (once a lease)
///   not leased |  |          | | stopped: timed out ----> AWAIT --replied/stopped--> as from SEND
///     (pause)  |  |          | | replied: moved, not primary, busy --> PAUSE (effect none)
///              +-PAUSE <-----+-+ stopped: broken ------> PAUSE (effect none or unknown, remembered)
///                 |
///                 +-- expired --> FAIL (timed out, or the last error; effect unknown once any attempt's was)
///
/// Every call here is idempotent (by request, uuid, operation id or watermark), so an unknown effect is no reason to
/// stop: the same call is sent again until its deadline, and only then does the caller hear `unknown`.
#pragma once

#include <cstdint>
#include <optional>

#include "flashsale/connection.hpp"
#include "flashsale/connection_pool.hpp"

namespace flashsale::core {

enum class Step : std::uint8_t {
  lease,   ///< acquire a connection; then leased() or not_leased()
  send,    ///< send the call and read its reply; then replied() or stopped()
  load,    ///< SCRIPT LOAD on this very connection; then loaded() or stopped()
  await,   ///< go on reading on this very connection; then replied() or stopped()
  pause,   ///< report heard(), give the lease back, wait a moment, then resumed()
  answer,  ///< the reply is the call's answer
  fail,    ///< error() is the call's answer
};

/// Whether to follow an ASK. A script names all its keys, so a node that has not all of them says TRYAGAIN. A single
/// key of a half-moved slot that is missing at the target may be one that has not come yet: who reads keys one by one
/// waits until the slot has settled.
enum class Asks : std::uint8_t { follow, wait_out };

class CallFlow {
 public:
  explicit CallFlow(Asks asks = Asks::follow) : asks_(asks) {}

  Step begin() { return Step::lease; }
  Step leased();
  Step not_leased(const Error& error);
  Step replied(const Reply& reply);
  Step loaded(const Reply& reply);
  /// A round trip that ended early. `timed_out` with replies owed may be awaited.
  Step stopped(const Error& error);
  Step resumed() { return Step::lease; }
  /// The deadline came: the answer is error().
  Step expired();

  /// `fail`'s error: what stood in the way last, its effect that of all attempts together.
  const Error& error() const { return error_; }
  /// `unknown` from the first attempt on that may have reached Redis and had no answer.
  Effect effect() const { return effect_; }
  /// What to tell the pool before the lease goes back; nothing: it is as good as before.
  std::optional<Heard> heard() const { return heard_; }
  /// Redis' words for `heard`, and whether Redis refuses writes while it answers reads (OOM, NOREPLICAS, MISCONF).
  std::string_view heard_text() const { return heard_text_; }
  bool writes_refused() const { return writes_refused_; }

 private:
  Step again(ErrorCode code, std::string_view text, std::optional<Heard> heard);
  Step redirected(std::string_view text, std::optional<Heard> heard);
  Step forgotten(std::string_view text);
  Step give_up(ErrorCode code, std::string_view text, Effect effect);

  Asks asks_;
  Error error_{ErrorCode::timed_out, Effect::none, "the deadline came before a connection was free"};
  Effect effect_ = Effect::none;
  std::optional<Heard> heard_;
  std::string heard_text_;
  int redirects_ = 0;    // in a row
  int forgotten_ = 0;    // leases on which a script that was just loaded was not known
  bool loaded_ = false;  // on this lease
  bool writes_refused_ = false;
};

}  // namespace flashsale::core
