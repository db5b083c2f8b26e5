/// Strict numbers, counts for people, and random ids.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cli {

/// A whole number of plain decimal digits, `-` allowed where `min` is below 0. Anything else (`1e3`, `nan`, ` 7`,
/// overflow) is a usage error that names the field and its bounds.
std::int64_t parse_number(std::string_view field, std::string_view text, std::int64_t min, std::int64_t max);

/// `text` in quotes, short and printable, for a message.
std::string in_quotes(std::string_view text);

/// Bytes that are no text are shown as `?`: the database keeps them as they were.
std::string printable(std::string_view bytes);

std::string with_commas(std::uint64_t number);  ///< 1,234,567
std::string without_line_end(std::string text);

/// 32 hex digits that nobody else has.
std::string random_id();

/// The bytes of a file; a usage error names `field` where it cannot be read.
std::string read_file(std::string_view field, const std::string& path);

}  // namespace cli
