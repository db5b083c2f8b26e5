#include "core/checks.hpp"

#include <fmt/format.h>

#include "core/words.hpp"

namespace flashsale::core {
namespace {

enum Alphabet : std::uint8_t { kSale, kItem, kBuyer };

constexpr std::uint64_t kEachByte = 0x0101010101010101ULL, kHighBits = 0x80 * kEachByte;

/// The high bit of each byte of `word` that is at least `least`; of bytes below 128.
constexpr std::uint64_t at_least(std::uint64_t word, std::uint64_t least) { return word + (0x80 - least) * kEachByte; }

/// The high bit of each byte that is within [first, last].
constexpr std::uint64_t within(std::uint64_t word, char first, char last) {
  return at_least(word, static_cast<unsigned char>(first)) & ~at_least(word, static_cast<unsigned char>(last) + 1u);
}

/// Eight bytes at a time, without a branch: every refusal that needs no Redis pays for this.
template <Alphabet alphabet>
bool is_id(std::string_view text) {
  if (text.empty() || text.size() > kIdBytesMax) return false;
  constexpr char last_digit = alphabet == kItem ? '9' : ':';     // ':' follows '9'
  constexpr char first_letter = alphabet == kBuyer ? '@' : 'A';  // '@' precedes 'A'
  std::uint64_t good = kHighBits;
  for_each_word(text, [&](std::uint64_t word) {
    if (text.size() < 4) word |= 0x6161616161000000ULL;  // its unused bytes
    const std::uint64_t known = within(word, 'a', 'z') | within(word, first_letter, 'Z') |
                                within(word, '0', last_digit) | within(word, '-', '.') | within(word, '_', '_');
    good &= known & ~word;
  });
  return good == kHighBits;
}

template <Alphabet alphabet>
Defect check_id(std::string_view field, std::string_view text) {
  if (is_id<alphabet>(text)) return std::nullopt;
  const auto bytes = alphabet == kSale ? "A-Za-z0-9_.:-" : alphabet == kItem ? "A-Za-z0-9_.-" : "A-Za-z0-9_.:@-";
  if (text.empty() || text.size() > kIdBytesMax)
    return fmt::format("{} must have 1 to {} bytes, has {}", field, kIdBytesMax, text.size());
  return fmt::format("{} must consist of [{}]", field, bytes);
}

}  // namespace

Defect check_sale(std::string_view id) { return check_id<kSale>("sale", id); }
Defect check_item(std::string_view id) { return check_id<kItem>("item", id); }
Defect check_buyer(std::string_view id) { return check_id<kBuyer>("buyer", id); }
Defect check_request(std::string_view id) { return check_id<kBuyer>("request", id); }
Defect check_operation(std::string_view id) { return check_id<kBuyer>("operation", id); }
Defect check_consumer(std::string_view id) { return check_id<kBuyer>("consumer", id); }

Defect check_quantity(std::uint32_t quantity) {
  if (quantity >= 1 && quantity <= kQuantityMax) return std::nullopt;
  return fmt::format("quantity must be 1 to {}, is {}", kQuantityMax, quantity);
}

Defect check_payload(std::size_t bytes, std::size_t bytes_max) {
  if (bytes <= bytes_max) return std::nullopt;
  return fmt::format("payload must have at most {} bytes, has {}", bytes_max, bytes);
}

Defect check_timeout(milliseconds timeout) {
  if (timeout >= milliseconds{1} && timeout <= kTimeoutMax) return std::nullopt;
  return fmt::format("timeout must be 1 to {} ms, is {}", kTimeoutMax.count(), timeout.count());
}

Defect check_call(const Call& call, std::size_t payload_bytes_max) {
  if (call.verb < Verb::reserve || call.verb > Verb::status)
    return fmt::format("verb must be 1 to 5, is {}", static_cast<std::int32_t>(call.verb));
  if (auto defect = check_sale(call.sale.text())) return defect;
  if (call.verb == Verb::reserve)
    if (auto defect = check_item(call.item.text())) return defect;
  if (auto defect = check_buyer(call.buyer.text())) return defect;
  if (auto defect = check_request(call.request.text())) return defect;
  if (call.verb == Verb::reserve) {
    if (auto defect = check_quantity(call.quantity)) return defect;
    if (auto defect = check_payload(call.payload.size(), payload_bytes_max)) return defect;
  }
  if (call.timeout != milliseconds{0})
    if (auto defect = check_timeout(call.timeout)) return defect;
  if (call.level < Level::usual || call.level > Level::database)
    return fmt::format("level must be 0 to 3, is {}", static_cast<std::int32_t>(call.level));
  return std::nullopt;
}

bool is_well_formed(const Call& call, std::size_t payload_bytes_max) {
  const bool common = call.verb >= Verb::reserve && call.verb <= Verb::status && is_id<kSale>(call.sale.text()) &&
                      is_id<kBuyer>(call.buyer.text()) && is_id<kBuyer>(call.request.text()) &&
                      call.level >= Level::usual && call.level <= Level::database && call.timeout >= milliseconds{0} &&
                      call.timeout <= kTimeoutMax;
  if (!common || call.verb != Verb::reserve) return common;
  return is_id<kItem>(call.item.text()) && call.quantity >= 1 && call.quantity <= kQuantityMax &&
         call.payload.size() <= payload_bytes_max;
}

}  // namespace flashsale::core
