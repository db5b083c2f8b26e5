/// Tells whether the process was forked since: threads, sockets and locks do not survive that.
#pragma once

#include <cstdint>

namespace flashsale::util {

/// A number that changes in each forked child. Cheaper than getpid(2), which glibc does not cache.
std::uint32_t fork_generation();

}  // namespace flashsale::util
