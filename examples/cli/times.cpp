#include "times.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "session.hpp"
#include "text.hpp"

namespace cli {

using namespace flashsale;

namespace {

constexpr std::int64_t kDayMs = 86'400'000;

/// Takes exactly `width` digits off the front.
std::optional<int> take_digits(std::string_view& text, std::size_t width) {
  if (text.size() < width) return std::nullopt;
  int number = 0;
  for (std::size_t i = 0; i < width; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    number = number * 10 + (text[i] - '0');
  }
  text.remove_prefix(width);
  return number;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// Days since 1970-01-01 of a day in the proleptic Gregorian calendar: years begin in March, so that the leap day is
/// the last one.
std::int64_t days_from_civil(int year, int month, int day) {
  const std::int64_t y = month <= 2 ? year - 1 : year;
  const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
  const std::int64_t year_of_era = y - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

int days_in_month(int year, int month) {
  constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : kDays[month - 1];
}

/// Digits after the point, as ms; finer ones are cut off.
std::optional<int> take_fraction_ms(std::string_view& text) {
  if (!take(text, ".")) return 0;
  int ms = 0, scale = 100;
  std::size_t digits = 0;
  for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits) {
    ms += (text.front() - '0') * scale;
    scale /= 10;
  }
  return digits > 0 ? std::optional<int>(ms) : std::nullopt;
}

/// `Z` or `+02:00`, as minutes east of UTC.
std::optional<int> take_offset(std::string_view& text) {
  if (take(text, "Zz")) return 0;
  const int sign = !text.empty() && text.front() == '-' ? -1 : 1;
  if (!take(text, "+-")) return std::nullopt;
  const auto hours = take_digits(text, 2);
  if (!hours || !take(text, ":")) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
  return sign * (*hours * 60 + *minutes);
}

/// Ms of one unit, 0 if there is no such unit.
std::int64_t unit_ms(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s") return 1000;
  if (unit == "m") return 60'000;
  if (unit == "h") return 3'600'000;
  if (unit == "d") return kDayMs;
  return 0;
}

std::optional<std::int64_t> duration_ms(std::string_view text) {
  if (text == "0") return 0;
  std::int64_t number = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  const std::int64_t unit = unit_ms({stop, static_cast<std::size_t>(end - stop)});
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  if (error != std::errc{} || number < 0 || unit == 0 || number > kMax / unit) return std::nullopt;
  return number * unit;
}

}  // namespace

std::optional<std::int64_t> from_rfc3339(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || *month < 1 || *month > 12 || !take(text, "-")) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || *day < 1 || *day > days_in_month(*year, *month) || !take(text, "Tt ")) return std::nullopt;
  const auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ":")) return std::nullopt;
  const auto minute = take_digits(text, 2);
  if (!minute || *minute > 59 || !take(text, ":")) return std::nullopt;
  const auto second = take_digits(text, 2);
  if (!second || *second > 60) return std::nullopt;  // 60: a leap second
  const auto fraction = take_fraction_ms(text);
  const auto offset = take_offset(text);
  if (!fraction || !offset || !text.empty()) return std::nullopt;
  const std::int64_t minutes = *hour * 60 + *minute - *offset;
  return days_from_civil(*year, *month, *day) * kDayMs + minutes * 60'000 + *second * 1000 + *fraction;
}

std::string to_rfc3339(std::int64_t unix_ms) {
  const std::time_t seconds = static_cast<std::time_t>(unix_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
                     utc.tm_hour, utc.tm_min, utc.tm_sec);
}

milliseconds parse_duration(std::string_view field, std::string_view text, milliseconds min, milliseconds max) {
  const auto ms = duration_ms(text);
  if (!ms || *ms < min.count() || *ms > max.count())
    usage(fmt::format("{} must be a duration such as 250ms, 10s, 15m or 2h, from {} ms to {} ms, not {}", field,
                      min.count(), max.count(), in_quotes(text)));
  return milliseconds{*ms};
}

When parse_when(std::string_view field, std::string_view text) {
  const bool from_now = !text.empty() && text.front() == '+';
  const auto ms = from_now ? duration_ms(text.substr(1)) : from_rfc3339(text);
  // A century is as good a bound as any: what is beyond is a typing error, and must not overflow.
  if (!ms || *ms < 0 || (from_now && *ms > 36'525 * kDayMs))
    usage(fmt::format("{} must be a time in RFC 3339 (2026-05-01T10:00:00Z) or from now (+10s, +5m), not {}", field,
                      in_quotes(text)));
  return {from_now, *ms};
}

std::int64_t redis_now_ms(ConnectionPool& pool, Deadline deadline) {
  const auto lease = need(pool.acquire(Role::primary, 0, deadline));
  RoundTrip trip = lease->roundtrip({{"TIME"}}, deadline);
  if (trip.error) throw Failure(std::move(*trip.error));
  const auto& parts = trip.replies.at(0).elements;
  if (parts.size() != 2) throw Failure(Error{ErrorCode::protocol, Effect::none, "Redis did not tell the time"});
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max() / 1000 - 1;
  return parse_number("TIME", parts[0].text, 0, kMax) * 1000 + parse_number("TIME", parts[1].text, 0, 999'999) / 1000;
}

Window parse_window(const Session& session, const std::string& opens_at, const std::string& closes_at) {
  std::optional<When> opens, closes;
  if (!opens_at.empty()) opens = parse_when("--opens-at", opens_at);
  if (!closes_at.empty()) closes = parse_when("--closes-at", closes_at);
  const bool asks = (opens && opens->from_now) || (closes && closes->from_now);
  const std::int64_t now = asks ? redis_now_ms(*session.pool(), session.deadline()) : 0;
  const auto fix = [now](const std::optional<When>& when) -> std::optional<std::int64_t> {
    if (!when) return std::nullopt;
    return when->ms + (when->from_now ? now : 0);
  };
  return {fix(opens), fix(closes)};
}

}  // namespace cli
