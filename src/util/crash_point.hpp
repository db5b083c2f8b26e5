/// Named points at which a test kills the process, as `kill -9` would. Nothing at all without FLASHSALE_FAILPOINTS.
#pragma once

#ifdef FLASHSALE_FAILPOINTS
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <string_view>
#endif

namespace flashsale::util {

/// Kills this process with SIGKILL if FLASHSALE_CRASH_AT names `point`.
inline void crash_point([[maybe_unused]] const char* point) {
#ifdef FLASHSALE_FAILPOINTS
  static const char* const wanted = std::getenv("FLASHSALE_CRASH_AT");
  if (wanted != nullptr && std::string_view(wanted) == point) kill(getpid(), SIGKILL);
#endif
}

}  // namespace flashsale::util
