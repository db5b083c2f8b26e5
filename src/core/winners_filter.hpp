/// The winners' filter: who ever won something in a sale, as a blocked Bloom filter. It may say "perhaps" of somebody
/// who did not win, and never "no" of somebody who did. PROTOCOL section 9.
///
/// Published as one string: a line "1 <epoch> <seq> <blocks>\n" and the blocks, 64 bytes each, least significant byte
/// first. A buyer has one block, a cache line, and in each of its eight words one bit: so a look-up costs one miss of
/// the cache. With 16 bits a buyer about one loser in 500 is sent to Redis for nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/words.hpp"
#include "flashsale/types.hpp"

namespace flashsale::core {

inline constexpr std::size_t kFilterBlockWords = 8;
inline constexpr std::size_t kFilterBlockBytes = 64;
inline constexpr std::size_t kFilterBlocksMax = (16u << 20) / kFilterBlockBytes;  ///< 16 MiB: eight million winners
inline constexpr std::size_t kFilterHeaderBytesMax = 64;

/// A hash of an id: the same in every process, on every machine and in every version of this layout.
inline std::uint64_t hash_id(std::string_view id) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15ULL;
  std::uint64_t hash = id.size() * kOdd;
  for_each_word(id, [&hash](std::uint64_t word) {
    hash = (hash ^ word) * kOdd;
    hash ^= hash >> 32;
  });
  hash *= 0xff51afd7ed558ccdULL;
  hash ^= hash >> 33;
  hash *= 0xc4ceb9fe1a85ec53ULL;
  return hash ^ hash >> 33;
}

/// Where a buyer's bits are: one block, and in each of its words one bit.
class FilterPlace {
 public:
  FilterPlace(std::string_view buyer, std::size_t blocks) : FilterPlace(hash_id(buyer), blocks) {}
  FilterPlace(std::uint64_t hash, std::size_t blocks)
      : block(static_cast<std::size_t>((hash >> 32) * blocks >> 32)), low_(static_cast<std::uint32_t>(hash)) {}

  /// Which bit of word `i` is the buyer's. Computed when asked for: of most losers one of the first four is missing.
  unsigned shift(std::size_t i) const { return low_ * kSalts[i] >> 26; }
  std::uint64_t bit(std::size_t i) const { return 1ULL << shift(i); }

  const std::size_t block;

 private:
  /// One odd multiplier a word, so that a buyer's bits in the words have nothing to do with each other.
  static constexpr std::array<std::uint32_t, kFilterBlockWords> kSalts{0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d,
                                                                       0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31};
  const std::uint32_t low_;
};

/// Grows by buyers. Thread-compatible.
class WinnersFilter {
 public:
  /// Sized for `buyers`. More may be added; then it says "perhaps" more often.
  explicit WinnersFilter(std::size_t buyers);

  /// False if the buyer was certainly not there before.
  bool add(std::string_view buyer);
  /// True if more were added than it was sized for.
  bool is_crowded() const { return added_ > sized_for_; }
  std::size_t bytes() const { return words_.size() * sizeof(words_[0]); }
  /// The string to publish: it covers everything up to `at`.
  std::string publish(Position at) const;

 private:
  std::size_t sized_for_;
  std::size_t added_ = 0;
  std::vector<std::uint64_t> words_;
};

/// A published filter's first line.
struct FilterHeader {
  Position at;
  std::size_t blocks = 0;
  std::size_t bytes = 0;  ///< of the line
};

/// Reads the first line of a published filter, of which at least kFilterHeaderBytesMax bytes are given, or all.
/// Nothing if it is none, or of a version that this library does not know.
std::optional<FilterHeader> read_filter_header(std::string_view published);

}  // namespace flashsale::core
