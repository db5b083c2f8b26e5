/// What a sink's module and make_sink owe each other: two C functions, and nothing else is exported.
///
/// C++ types cross here, so the module must be of the very version of its loader; `flashsale_sink_version` is asked
/// first and takes none.
#pragma once

#include <cstddef>

#include "flashsale/order_sink.hpp"
#include "flashsale/version.hpp"

#define FLASHSALE_SINK_QUOTE_(text) #text
#define FLASHSALE_SINK_QUOTE(text) FLASHSALE_SINK_QUOTE_(text)

namespace flashsale::sinks {

/// Of these headers, not of the library that is linked: what counts is what each side was compiled with.
inline constexpr char kModuleVersion[] = FLASHSALE_SINK_QUOTE(FLASHSALE_VERSION_MAJOR) "." FLASHSALE_SINK_QUOTE(
    FLASHSALE_VERSION_MINOR) "." FLASHSALE_SINK_QUOTE(FLASHSALE_VERSION_PATCH);

extern "C" {
/// The version that the module was compiled with.
using ModuleVersion = const char*();
/// A sink for the `size` bytes at `url`, to be deleted by its caller; or nullptr, and `error` says why. Never throws.
using ModuleMake = OrderSink*(const char* url, std::size_t size, Error* error);
}

}  // namespace flashsale::sinks
