/// What an error reply of Redis means for the command it answers.
#pragma once

#include <cstdint>
#include <string_view>

namespace flashsale::core {

enum class ErrorReply : std::uint8_t {
  no_script,    ///< NOSCRIPT: nothing ran; SCRIPT LOAD there, then once more
  moved,        ///< MOVED: nothing ran; the slot lives elsewhere
  ask,          ///< ASK, TRYAGAIN: nothing ran; the slot is on its way elsewhere
  not_primary,  ///< READONLY, MASTERDOWN, LOADING, CLUSTERDOWN, UNBLOCKED: nothing ran; look for the primary
  busy,         ///< BUSY: another script holds Redis; nothing ran
  full,         ///< OOM, MISCONF, NOREPLICAS: nothing ran; reads go on
  denied,       ///< NOAUTH, WRONGPASS, NOPERM: nothing ran; a person must act
  in_script,    ///< raised inside a script: Redis does not roll back, so what was written stays
  other,        ///< anything else, before a script ran
};

/// Sorts an error's text by its first word; an error out of a running script says so in its own text.
ErrorReply sort_error_reply(std::string_view text);

}  // namespace flashsale::core
