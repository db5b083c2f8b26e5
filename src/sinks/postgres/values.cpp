#include "sinks/postgres/values.hpp"

namespace flashsale::sinks::postgres {
namespace {

/// Most significant byte first, as the wire wants it.
template <class Unsigned>
void append(std::string& out, Unsigned value) {
  for (int shift = 8 * (static_cast<int>(sizeof(value)) - 1); shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> shift & 0xff);
  }
}

}  // namespace

// Dimensions, a flag for nulls, the elements' type, then the one dimension: its size and its lower bound.
Array::Array(Oid element, Oid type, std::size_t count) : type_(type) {
  append<std::uint32_t>(bytes_, count == 0 ? 0 : 1);
  append<std::uint32_t>(bytes_, 0);
  append<std::uint32_t>(bytes_, element);
  if (count == 0) return;
  append<std::uint32_t>(bytes_, static_cast<std::uint32_t>(count));
  append<std::uint32_t>(bytes_, 1);
}

void Array::add(std::int64_t value) {
  append<std::uint32_t>(bytes_, sizeof(value));
  append(bytes_, static_cast<std::uint64_t>(value));
}

void Array::add(std::string_view bytes) {
  append<std::uint32_t>(bytes_, static_cast<std::uint32_t>(bytes.size()));
  bytes_ += bytes;
}

std::vector<const char*> Values::pointers() const {
  std::vector<const char*> all;
  // A null pointer would be NULL, and an empty view may have one.
  for (const std::string_view view : views_) all.push_back(view.data() == nullptr ? "" : view.data());
  return all;
}

void Values::add(Array array) { own(array.type(), std::move(array.bytes())); }

void Values::add_flag(bool value) { own(kBool, std::string(1, value ? '\1' : '\0')); }

void Values::add_integer(std::int64_t value) {
  std::string bytes;
  append(bytes, static_cast<std::uint64_t>(value));
  own(kInt8, std::move(bytes));
}

void Values::refer(Oid type, std::string_view bytes) {
  types_.push_back(type);
  lengths_.push_back(static_cast<int>(bytes.size()));
  formats_.push_back(1);
  views_.push_back(bytes);
}

void Values::own(Oid type, std::string bytes) {
  owned_.push_back(std::make_unique<std::string>(std::move(bytes)));
  refer(type, *owned_.back());
}

std::int64_t Rows::integer(int row, int column) const {
  const std::string_view digits = bytes(row, column);
  if (digits.empty()) return 0;
  // Whether a plain char has a sign is the processor's own affair: on arm64 it has none.
  std::uint64_t value = static_cast<signed char>(digits[0]) < 0 ? ~std::uint64_t{0} : 0;
  for (const char digit : digits) value = value << 8 | static_cast<unsigned char>(digit);
  return static_cast<std::int64_t>(value);
}

}  // namespace flashsale::sinks::postgres
