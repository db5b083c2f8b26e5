#include "core/error_reply.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/scripts.hpp"

namespace flashsale::core {
namespace {

constexpr std::string_view kInScript = "on @user_script:";

/// Line `number` of `text`, from 1.
std::string_view line_of(std::string_view text, int number) {
  for (; number > 1; --number) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  return text.substr(0, text.find('\n'));
}

/// The first Redis command that a line of Lua calls.
std::string_view command_in(std::string_view line) {
  const auto from = line.find("call('");
  if (from == std::string_view::npos) return {};
  const auto command = line.substr(from + 6);
  return command.substr(0, command.find('\''));
}

bool has(std::string_view text, std::string_view words) { return text.find(words) != std::string_view::npos; }

/// Whether a running script met something that its user may not use: in the words of Redis 7.0, then in those of 7.2,
/// all that came after, and Valkey.
bool is_denied_in_script(std::string_view text) {
  return has(text, "The user executing the script can't") || has(text, "ACL failure in script");
}

/// The same, of a key: no rule for a command is missing.
bool is_key_denied(std::string_view text) {
  return has(text, "can't access at least one of the keys") || has(text, "No permissions to access a key");
}

/// Redis 7.0 says only "script: <sha1>, on @user_script:<line>."
std::string_view denied_command(std::string_view text) {
  const auto at = text.find(kInScript);
  if (at == std::string_view::npos || is_key_denied(text)) return {};
  int line = 0;
  const auto digits = text.substr(at + kInScript.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), line);
  for (const Script& known : embedded_scripts())
    if (line > 0 && text.find(known.sha1) != std::string_view::npos) return command_in(line_of(known.text, line));
  return {};
}

}  // namespace

ErrorReply sort_error_reply(std::string_view text) {
  static constexpr std::pair<std::string_view, ErrorReply> kWords[] = {
      {"NOSCRIPT", ErrorReply::no_script},
      {"MOVED", ErrorReply::moved},
      {"ASK", ErrorReply::ask},
      {"TRYAGAIN", ErrorReply::try_again},
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
  if (text.find(kInScript) != std::string_view::npos) {
    return is_denied_in_script(text) ? ErrorReply::denied_in_script : ErrorReply::in_script;
  }
  if (has(text.substr(0, 32), "unknown command") || has(text.substr(0, 32), "unsupported command"))
    return ErrorReply::unknown_command;
  const auto word = text.substr(0, text.find(' '));
  for (const auto& [known, sort] : kWords)
    if (word == known) return sort;
  return ErrorReply::other;
}

std::string_view in_words(std::string_view text) {
  const auto word = text.substr(0, text.find(' '));
  if (word == "LOADING") return "the node is loading its data";
  if (word == "MASTERDOWN") return "the node is a replica that lost its primary";
  if (word == "READONLY") return "the node is a replica now";
  if (word == "UNBLOCKED") return "the node stopped being the primary";
  if (word == "CLUSTERDOWN") return "the cluster is down: a slot has no primary, or the node is cut off";
  if (word == "MOVED") return "the sale's slot is at another node of the cluster";
  if (word == "ASK" || word == "TRYAGAIN") return "the sale's slot is on its way to another node of the cluster";
  if (word == "NOSCRIPT") return "the node forgets its scripts again and again";
  return text;
}

std::string explain_denial(std::string_view text) {
  std::string explained(text);
  if (const auto command = denied_command(text); !command.empty())
    explained.append(" The rule for ").append(command).append(" is missing.");
  return explained += " ('flashsale acl' prints the rules)";
}

Reply no_primary() {
  Reply reply;
  reply.type = Reply::Type::error;
  reply.text = "READONLY the node is no primary";
  return reply;
}

void heed_no_primary(Reply& reply, std::string_view nonce) {
  if (reply.elements.size() > 1 && reply.elements[0].text == nonce && reply.elements[1].text == "not_primary")
    reply = no_primary();
}

}  // namespace flashsale::core
