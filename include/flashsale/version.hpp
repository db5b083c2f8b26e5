/// The version of these headers. `version()` is that of the library that was linked.
#pragma once

#include <cstdint>
#include <string_view>

#define FLASHSALE_VERSION_MAJOR 0
#define FLASHSALE_VERSION_MINOR 1
#define FLASHSALE_VERSION_PATCH 0

namespace flashsale {

std::string_view version();  ///< for instance "0.1.0"

}  // namespace flashsale
