/// What an error reply of Redis means for the command it answers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flashsale/connection.hpp"

namespace flashsale::core {

enum class ErrorReply : std::uint8_t {
  no_script,         ///< NOSCRIPT: nothing ran; SCRIPT LOAD there, then once more
  moved,             ///< MOVED: nothing ran; the slot lives elsewhere
  ask,               ///< ASK: nothing ran; the slot is on its way elsewhere, and this key is there already
  try_again,         ///< TRYAGAIN: nothing ran; the slot is on its way, and the keys are in both places
  not_primary,       ///< READONLY, MASTERDOWN, LOADING, CLUSTERDOWN, UNBLOCKED: nothing ran; look for the primary
  busy,              ///< BUSY: another script holds Redis; nothing ran
  full,              ///< OOM, MISCONF, NOREPLICAS: nothing ran; reads go on
  denied,            ///< NOAUTH, WRONGPASS, NOPERM: nothing ran; a person must act
  denied_in_script,  ///< the script ran into a command or key that we may not use; what was written stays
  in_script,         ///< raised inside a script: Redis does not roll back, so what was written stays
  unknown_command,   ///< the server, or what stands before it, has no such command: nothing ran
  other,             ///< anything else; whether a script ran before is not known
};

/// Sorts an error's text by its first word; an error out of a running script says so in its own text.
ErrorReply sort_error_reply(std::string_view text);

/// What a passing error means, in words for a person who never heard of Redis' codes; other texts as they are.
std::string_view in_words(std::string_view text);

/// Of denied and denied_in_script: the text, with the rule that is missing where Redis itself does not name it.
std::string explain_denial(std::string_view text);

/// The error that a node which is no primary answers with.
Reply no_primary();

/// A script's word that its node is no primary becomes that error, after which the same is right: the connection goes
/// back as one of no primary, and the call, which changed nothing, is sent to whoever is one.
void heed_no_primary(Reply& reply, std::string_view nonce);

}  // namespace flashsale::core
