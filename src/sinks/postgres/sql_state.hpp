/// What PostgreSQL's SQLSTATE codes mean to a caller of the plug.
#pragma once

#include <string_view>

#include "flashsale/error.hpp"

namespace flashsale::sinks::postgres {

inline constexpr std::string_view kReadOnly = "25006";
inline constexpr std::string_view kCheckViolation = "23514";

/// The code that `state` becomes.
ErrorCode meaning_of(std::string_view state);

/// True if the server hung up with it: what was being committed may have been.
bool ends_session(std::string_view state);

/// True if the values themselves are to blame, so that they would be refused again.
bool blames_values(std::string_view state);

}  // namespace flashsale::sinks::postgres
