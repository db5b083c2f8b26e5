/// Times that a Redis told, judged: what a hostile or broken one says must not overflow a sum later on.
#pragma once

#include <cstdint>
#include <optional>

#include "core/numbers.hpp"
#include "flashsale/connection.hpp"

namespace flashsale::core {

/// Unix ms, or a span of them: whole in a Lua number, and any few of them add up within 64 bits.
inline constexpr std::int64_t kTimeMax = 9'007'199'254'740'991;  // 2^53-1

inline bool is_time(std::int64_t ms) { return ms >= 0 && ms <= kTimeMax; }

/// The reply to TIME in ms; nothing if it is no time.
inline std::optional<std::int64_t> read_time(const Reply& time) {
  if (time.elements.size() != 2) return std::nullopt;
  const auto seconds = to_number<std::int64_t>(time.elements[0].text);
  const auto micros = to_number<std::int64_t>(time.elements[1].text);
  if (!seconds || *seconds < 0 || *seconds >= kTimeMax / 1000) return std::nullopt;
  if (!micros || *micros < 0 || *micros > 999'999) return std::nullopt;
  return *seconds * 1000 + *micros / 1000;
}

}  // namespace flashsale::core
