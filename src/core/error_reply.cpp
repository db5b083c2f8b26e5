#include "core/error_reply.hpp"

#include <utility>

namespace flashsale::core {

ErrorReply sort_error_reply(std::string_view text) {
  static constexpr std::pair<std::string_view, ErrorReply> kWords[] = {
      {"NOSCRIPT", ErrorReply::no_script},
      {"MOVED", ErrorReply::moved},
      {"ASK", ErrorReply::ask},
      {"TRYAGAIN", ErrorReply::ask},
      {"READONLY", ErrorReply::not_primary},
      {"MASTERDOWN", ErrorReply::not_primary},
      {"LOADING", ErrorReply::not_primary},
      {"CLUSTERDOWN", ErrorReply::not_primary},
      {"UNBLOCKED", ErrorReply::not_primary},
      {"BUSY", ErrorReply::busy},
      {"OOM", ErrorReply::full},
      {"MISCONF", ErrorReply::full},
      {"NOREPLICAS", ErrorReply::full},
      {"NOAUTH", ErrorReply::denied},
      {"WRONGPASS", ErrorReply::denied},
      {"NOPERM", ErrorReply::denied},
  };
  // Redis 7 appends "script: <sha>, on @user_script:<line>." to what a running script raised.
  if (text.find("on @user_script:") != std::string_view::npos) return ErrorReply::in_script;
  const auto word = text.substr(0, text.find(' '));
  for (const auto& [known, sort] : kWords)
    if (word == known) return sort;
  return ErrorReply::other;
}

}  // namespace flashsale::core
