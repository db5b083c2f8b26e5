#include "util/random.hpp"

#include <sys/random.h>

#include <ctime>

#include "util/simulated.hpp"

namespace flashsale::util {

std::uint64_t random_u64() {
  if (SimulatedWorld* world = simulated_world()) return world->random();
  std::uint64_t value = 0;
  if (getrandom(&value, sizeof(value), 0) == static_cast<ssize_t>(sizeof(value))) return value;
  // Only a kernel without getrandom(2) comes here; the clock and an address still differ between processes.
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  Random mixed(static_cast<std::uint64_t>(now.tv_nsec) ^ (static_cast<std::uint64_t>(now.tv_sec) << 32) ^
               reinterpret_cast<std::uintptr_t>(&value));
  return mixed.next();
}

std::string random_hex(std::size_t bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes * 2);
  while (text.size() < bytes * 2) {
    std::uint64_t value = random_u64();
    for (int i = 0; i < 16 && text.size() < bytes * 2; ++i, value >>= 4) text.push_back(kDigits[value & 15]);
  }
  return text;
}

std::uint64_t Random::next() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

}  // namespace flashsale::util
