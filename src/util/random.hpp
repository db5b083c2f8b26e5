/// Random numbers from the kernel, so that a forked child never repeats its parent's.
#pragma once

#include <cstdint>
#include <string>

namespace flashsale::util {

std::uint64_t random_u64();

/// `bytes` random bytes in hexadecimal.
std::string random_hex(std::size_t bytes);

/// A fast generator for jitter and nonces of one thread (SplitMix64), seeded from the kernel.
class Random {
 public:
  Random() : state_(random_u64()) {}
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace flashsale::util
