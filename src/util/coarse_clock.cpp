#include "util/coarse_clock.hpp"

#include <ctime>

namespace flashsale::util {
namespace {

/// A tick in ms, rounded up.
std::int64_t tick_ms() {
  timespec tick{};
  if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) != 0) return 10;
  return tick.tv_sec * 1000 + (tick.tv_nsec + 999'999) / 1'000'000;
}

}  // namespace

std::int64_t coarse_ms_not_behind() {
  static const std::int64_t late = tick_ms() + 1;  // and a millisecond for rounding down
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1'000'000 + late;
}

}  // namespace flashsale::util
