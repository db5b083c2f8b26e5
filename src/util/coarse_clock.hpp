/// The monotonic clock, coarsely: a few nanoseconds a look, and no system call.
#pragma once

#include <cstdint>

namespace flashsale::util {

/// Milliseconds on the line of util::steady_ms, at least as late as it: the kernel keeps this clock by its ticks, up to
/// ten milliseconds late, and that much is added. So whatever ends at a time has ended by this clock too.
std::int64_t coarse_ms_not_behind();

}  // namespace flashsale::util
