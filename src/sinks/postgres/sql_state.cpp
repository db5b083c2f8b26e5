#include "sinks/postgres/sql_state.hpp"

namespace flashsale::sinks::postgres {
namespace {

bool begins(std::string_view text, std::string_view with) { return text.substr(0, with.size()) == with; }

}  // namespace

ErrorCode meaning_of(std::string_view state) {
  if (ends_session(state)) return ErrorCode::disconnected;
  // Lock not available, serialization failure, deadlock: another transaction was in the way.
  if (state == "55P03" || state == "40001" || state == "40P01") return ErrorCode::busy;
  if (state == "57014") return ErrorCode::timed_out;  // statement_timeout, or an operator's cancel
  // No privilege, no room or memory, files that fail, damaged data; a table that somebody else dropped.
  for (const std::string_view refused : {"42501", "25006", "53", "58", "XX001", "XX002", "28", "3D", "3F", "42P01"}) {
    if (begins(state, refused)) return ErrorCode::refused;
  }
  return ErrorCode::internal;
}

bool ends_session(std::string_view state) {
  return state.empty() || begins(state, "08") || begins(state, "57P") || state == "25P03";
}

bool blames_values(std::string_view state) { return begins(state, "22") || begins(state, "23"); }

}  // namespace flashsale::sinks::postgres
