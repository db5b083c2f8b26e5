/// An id as 64-bit words, without a copy: what hashing and comparing eight bytes at a time need.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace flashsale::core {

/// Eight bytes, the first one lowest, whatever the machine's byte order.
inline std::uint64_t load_word(const char* at) {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  word = __builtin_bswap64(word);
#endif
  return word;
}

/// Four bytes, likewise.
inline std::uint64_t load_half(const char* at) {
  std::uint32_t half = 0;
  std::memcpy(&half, at, sizeof(half));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  half = __builtin_bswap32(half);
#endif
  return half;
}

/// Hands each word of `text` to `take`. The last one overlaps the one before, or is put together from overlapping
/// parts, so that no loop runs over single bytes. Texts of one size are equal if and only if all their words are.
template <class Take>
[[gnu::always_inline]] inline void for_each_word(std::string_view text, Take take) {
  const char* at = text.data();
  const std::size_t size = text.size();
  const auto byte = [at](std::size_t i) -> std::uint64_t { return static_cast<unsigned char>(at[i]); };
  if (size >= 8) {
    for (std::size_t i = 0; i + 8 < size; i += 8) take(load_word(at + i));
    take(load_word(at + size - 8));
  } else if (size >= 4) {
    take(load_half(at) | load_half(at + size - 4) << 32);
  } else if (size > 0) {
    take(byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16);
  }
}

}  // namespace flashsale::core
