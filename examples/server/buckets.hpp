/// Token buckets in a fixed amount of memory, however many keys come.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string_view>
#include <vector>

namespace server {

/// Each key may act `per_second` times a second in the long run, and `burst` times at once. Thread-safe.
///
/// A bucket is one number: the time at which it will be full again. 65,536 of them, four to a set, take 1 MiB. Where a
/// fifth key comes to a set, the bucket that is nearest to full is forgotten: a full one loses nothing, and a flood of
/// fresh keys can only give back to others what they had used up. Keys are hashed under a seed of this process.
class Buckets {
 public:
  /// `per_second` 0: no limit.
  Buckets(double per_second, double burst);

  /// 0: taken. Else nothing was taken, and asking again can help after so many ms.
  std::int64_t take(std::string_view key, std::int64_t now_ms);

 private:
  struct Bucket {
    std::uint64_t key = 0;
    double full_at_ms = 0;
  };
  static constexpr std::size_t kWays = 4, kSets = 16'384, kLocks = 64;

  double ms_each_;
  double burst_ms_;
  std::uint64_t seed_;
  std::vector<std::array<Bucket, kWays>> sets_;  // each guarded by its lock
  std::array<std::mutex, kLocks> locks_;
};

}  // namespace server
