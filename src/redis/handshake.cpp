#include "redis/handshake.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error_reply.hpp"

namespace flashsale::redis {
namespace {

bool begins(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }

/// Errors that say "not now, perhaps later" whatever was asked; all others are about the command.
bool is_passing(std::string_view text) {
  constexpr std::string_view kPassing[] = {"LOADING",     "MASTERDOWN", "BUSY",
                                           "CLUSTERDOWN", "TRYAGAIN",   "ERR max number of clients"};
  return std::any_of(std::begin(kPassing), std::end(kPassing), [&](auto code) { return begins(text, code); });
}

/// Redis repeats a command that it does not know, with its arguments: of an AUTH that was renamed away, the password.
bool may_be_shown(std::string_view command, std::string_view text) {
  constexpr std::string_view kWithoutArguments[] = {"WRONGPASS ", "NOAUTH ", "NOPERM ", "DENIED "};
  return command != "AUTH" || is_passing(text) ||
         std::any_of(std::begin(kWithoutArguments), std::end(kWithoutArguments),
                     [&](auto code) { return begins(text, code); });
}

tl::unexpected<Error> refused(std::string_view command, const std::string& text) {
  const auto code = is_passing(text) ? ErrorCode::disconnected : ErrorCode::refused;
  if (!may_be_shown(command, text))
    return fail(code, "Redis takes no AUTH like this one: it knows no such command, or wants no password");
  return fail(code, fmt::format("Redis answers {} with: {}", command, core::in_words(text).substr(0, 200)));
}

}  // namespace

Result<Part> greet(Connection& connection, const Login& login, bool ask_role, Deadline deadline) {
  std::vector<Command> commands;
  if (!login.user.empty()) {
    commands.push_back({"AUTH", login.user, login.password});
  } else if (!login.password.empty()) {
    commands.push_back({"AUTH", login.password});
  }
  const std::string db = std::to_string(login.db);
  if (login.db != 0) commands.push_back({"SELECT", db});
  if (login.reads_only) commands.push_back({"READONLY"});
  commands.push_back({"PING"});
  if (ask_role) commands.push_back({"ROLE"});

  const RoundTrip trip = connection.roundtrip(commands, deadline);
  for (std::size_t i = 0; i < trip.replies.size(); ++i) {
    const Reply& reply = trip.replies[i];
    // A user may be forbidden to PING, and while its disk fails Redis refuses PING as if it were a write, though reads
    // go on; that it says so shows that it is there.
    const bool is_there = commands[i][0] == "PING" && (begins(reply.text, "NOPERM") || begins(reply.text, "MISCONF"));
    if (reply.type == Reply::Type::error && !is_there) return refused(commands[i][0], reply.text);
  }
  if (trip.error) return fail(trip.error->code, trip.error->detail);  // nothing was sent that changes anything
  return ask_role ? part_of(trip.replies.back()) : Part{};
}

Part part_of(const Reply& role) {
  const auto& parts = role.elements;
  if (role.type != Reply::Type::array || parts.empty()) return {};
  if (parts[0].text == "master") return {Standing::primary, parts.size() > 1 ? parts[1].integer : 0};
  if (parts[0].text != "slave" || parts.size() < 5) return {};
  return {parts[3].text == "connected" ? Standing::replica : Standing::unlinked, parts[4].integer};
}

std::string_view name(Standing standing) {
  switch (standing) {
    case Standing::primary:
      return "a primary";
    case Standing::replica:
      return "a replica";
    case Standing::unlinked:
      return "a replica without its primary";
    case Standing::unknown:
      break;
  }
  return "of no known role";
}

}  // namespace flashsale::redis
