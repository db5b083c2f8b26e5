#include "buckets.hpp"

#include <algorithm>
#include <cmath>
#include <random>

namespace server {
namespace {

/// FNV-1a from a secret start, then mixed: enough that nobody outside can choose keys of one set.
std::uint64_t hash(std::string_view text, std::uint64_t seed) {
  std::uint64_t h = seed ^ 0xcbf29ce484222325u;
  for (const char c : text) {
    h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    h ^= h >> 29;
  }
  h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
  h = (h ^ (h >> 27)) * 0x94d049bb133111ebu;
  return h ^ (h >> 31);
}

}  // namespace

Buckets::Buckets(double per_second, double burst)
    : ms_each_(per_second > 0 ? 1000.0 / per_second : 0),
      burst_ms_(std::max(burst, 1.0) * ms_each_),
      seed_((std::uint64_t{std::random_device{}()} << 32) | std::random_device{}()),
      sets_(per_second > 0 ? kSets : 0) {}

std::int64_t Buckets::take(std::string_view key, std::int64_t now_ms) {
  if (sets_.empty()) return 0;
  const auto hashed = hash(key, seed_) | 1;  // 0 is an empty bucket
  const std::size_t set = (hashed >> 1) % kSets;
  const auto now = static_cast<double>(now_ms);
  const std::lock_guard<std::mutex> lock(locks_[set % kLocks]);
  auto& ways = sets_[set];
  auto at = std::find_if(ways.begin(), ways.end(), [&](const Bucket& bucket) { return bucket.key == hashed; });
  if (at == ways.end()) {
    at = std::min_element(ways.begin(), ways.end(),
                          [](const Bucket& a, const Bucket& b) { return a.full_at_ms < b.full_at_ms; });
    *at = {hashed, 0};
  }
  const double full_at = std::max(at->full_at_ms, now) + ms_each_;
  const double excess = full_at - now - burst_ms_;
  if (excess > 1e-6) return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(excess)));
  at->full_at_ms = full_at;
  return 0;
}

}  // namespace server
