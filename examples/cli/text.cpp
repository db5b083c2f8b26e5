#include "text.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

#include "session.hpp"

namespace cli {

std::int64_t parse_number(std::string_view field, std::string_view text, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  const auto end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (text.empty() || error != std::errc{} || stop != end || number < min || number > max)
    usage(fmt::format("{} must be a whole number from {} to {}, not {}", field, min, max, in_quotes(text)));
  return number;
}

std::string printable(std::string_view bytes) {
  std::string text(bytes);
  for (char& byte : text)
    if (byte < ' ' || byte > '~') byte = '?';
  return text;
}

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kShown = 64;
  std::string shown = "'";
  for (const char byte : text.substr(0, kShown)) shown += byte >= ' ' && byte <= '~' ? byte : '?';
  return shown + (text.size() > kShown ? "...'" : "'");
}

std::string with_commas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string without_line_end(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string random_id() {
  std::random_device device;  // the system's generator: ids of different machines must not meet
  return fmt::format("{:08x}{:08x}{:08x}{:08x}", device(), device(), device(), device());
}

std::string read_file(std::string_view field, const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad() || errno == EISDIR)
    usage(fmt::format("{}: cannot read {}: {}", field, in_quotes(path), std::strerror(errno)));
  return bytes;
}

}  // namespace cli
