/// The engine's side of log.hpp.
#pragma once

#include <fmt/format.h>

#include <string>
#include <utility>

#include "flashsale/log.hpp"

namespace flashsale::engine {

/// True if anybody listens; asked before a line is formatted.
bool log_wanted();

/// Passes the line on, unless too many came this second. Control characters become `?`: a line stays one line.
void log_line(LogLevel level, std::string line);

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_wanted()) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace flashsale::engine
