/// Durations (`15m`) and points in time (`+10s`, RFC 3339), as people write them.
#pragma once

#include <cstdint>
#include <flashsale/flashsale.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cli {

class Session;

/// A whole number with its unit: ms, s, m, h or d; `0` needs none.
flashsale::milliseconds parse_duration(std::string_view field, std::string_view text, flashsale::milliseconds min,
                                       flashsale::milliseconds max);

/// A point in time: fixed, or so long from now.
struct When {
  bool from_now = false;
  std::int64_t ms = 0;
};
When parse_when(std::string_view field, std::string_view text);

/// Unix ms from RFC 3339, nothing if it is not that. `2026-05-01T10:00:00Z`, `2026-05-01T12:00:00.5+02:00`.
std::optional<std::int64_t> from_rfc3339(std::string_view text);
std::string to_rfc3339(std::int64_t unix_ms);

/// Redis' clock, which judges every schedule. Unix ms.
std::int64_t redis_now_ms(flashsale::ConnectionPool& pool, flashsale::Deadline deadline);

/// The two ends of a sale's window as Unix ms; nothing where the text is empty. Asks Redis' clock if one is relative.
struct Window {
  std::optional<std::int64_t> opens_ms, closes_ms;
};
Window parse_window(const Session& session, const std::string& opens_at, const std::string& closes_at);

}  // namespace cli
