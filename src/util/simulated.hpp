/// Where a simulation puts its own clock and random numbers in the place of the machine's. In builds without
/// FLASHSALE_FAILPOINTS there is no such place, and the compiler removes every trace of it.
#pragma once

#include <chrono>
#include <cstdint>

namespace flashsale::util {

/// One run's time and chance, both from its seed. Used by one thread.
class SimulatedWorld {
 public:
  virtual ~SimulatedWorld() = default;
  virtual std::chrono::steady_clock::time_point now() = 0;
  virtual void sleep_until(std::chrono::steady_clock::time_point wake) = 0;
  virtual std::uint64_t random() = 0;
};

#ifdef FLASHSALE_FAILPOINTS
/// The calling thread's simulation; nullptr: the real world. Threads that it did not start live in the real one.
inline SimulatedWorld*& simulated_world() {
  static thread_local SimulatedWorld* world = nullptr;
  return world;
}
#else
constexpr SimulatedWorld* simulated_world() { return nullptr; }
#endif

}  // namespace flashsale::util
