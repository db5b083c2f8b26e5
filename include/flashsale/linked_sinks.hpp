/// Sinks that a program links instead of loading them by `make_sink`: for one file without modules beside it.
#pragma once

#include <memory>
#include <string_view>

#include "flashsale/order_sink.hpp"

namespace flashsale::sinks {

/// Makes a sink for `sqlite:PATH` or `PATH`; in the CMake target flashsale::sqlite. Parses only, the first transaction
/// opens the file. A relative path is taken from the folder that the process is in now, also after a chdir.
/// Error: invalid_argument. The sink is thread-safe; once used it belongs to its process, and answers `forked` in a
/// child.
[[nodiscard]] Result<std::unique_ptr<OrderSink>> make_sqlite_sink(std::string_view url);

/// Makes a sink for `postgresql://[user[:password]@][host[:port]]/[database][?option=value&...]`, as libpq reads it; in
/// the CMake target flashsale::postgres. Parses only, the first transaction connects. The URL stands in no message.
/// Errors: invalid_argument.
[[nodiscard]] Result<std::unique_ptr<OrderSink>> make_postgres_sink(std::string_view url);

}  // namespace flashsale::sinks
