/// The library's only voice. Silent until a function is set.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace flashsale {

/// How much a line matters. An alarm wants a person.
enum class LogLevel : std::int32_t { info = 1, warning = 2, alarm = 3 };
std::string_view name(LogLevel level);  ///< for instance "alarm"

/// Called with one line, without its end, from whichever thread has something to say. Must not block, throw or fork.
using LogFunction = std::function<void(LogLevel, std::string_view)>;

/// Sets the process's log function; an empty one silences it. Waits for a call under way. Thread-safe.
/// At most 20 lines a second pass, alarms always; what was dropped is counted in the next line. No line holds a
/// password, a payload or a buyer.
void set_log(LogFunction function);

}  // namespace flashsale
