#include "core/checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/words.hpp"

namespace flashsale::core {
namespace {

enum Alphabet : std::uint8_t { kSale, kItem, kBuyer };

/// Sixteen bytes at a time, without a branch: every refusal that needs no Redis pays for this.
using Bytes [[gnu::vector_size(16)]] = unsigned char;
using Words [[gnu::vector_size(16)]] = std::uint64_t;

constexpr Bytes all(char c) {
  const auto b = static_cast<unsigned char>(c);
  return Bytes{b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b};
}

/// Which bytes lie within [first, last].
template <char first, char last>
Bytes within(Bytes bytes) {
  return static_cast<Bytes>(bytes - all(first) <= all(last - first));
}

template <Alphabet alphabet>
Bytes known(Bytes bytes) {
  constexpr char last_digit = alphabet == kItem ? '9' : ':';     // ':' follows '9'
  constexpr char first_letter = alphabet == kBuyer ? '@' : 'A';  // '@' precedes 'A'
  return within<'a', 'z'>(bytes) | within<first_letter, 'Z'>(bytes) | within<'0', last_digit>(bytes) |
         within<'-', '.'>(bytes) | within<'_', '_'>(bytes);
}

/// Hands sixteen bytes of `text` after the other to `take`; they overlap, or a short text's bytes come twice. Nothing
/// goes through memory, where what is stored in parts and loaded whole would wait for the parts.
template <class Take>
[[gnu::always_inline]] inline void for_sixteen(std::string_view text, Take take) {
  const char* const at = text.data();
  const std::size_t size = text.size();
  if (size >= 16) {
    Bytes bytes;
    for (std::size_t i = 0; i < size; i += 16) {
      std::memcpy(&bytes, at + std::min(i, size - 16), sizeof bytes);
      take(bytes);
    }
  } else if (size >= 8) {
    take(reinterpret_cast<Bytes>(Words{load_word(at), load_word(at + size - 8)}));
  } else {
    std::uint64_t word = 0;
    for_each_word(text, [&word](std::uint64_t its) { word = its; });
    if (size < 4) word |= 0x6161616161000000ULL;  // its unused bytes
    take(reinterpret_cast<Bytes>(Words{word, word}));
  }
}

bool is_all_set(Bytes bytes) {
  const auto words = reinterpret_cast<Words>(bytes);
  return (words[0] & words[1]) == ~std::uint64_t{0};
}

template <Alphabet alphabet>
bool is_id(std::string_view text) {
  if (text.empty() || text.size() > kIdBytesMax) return false;
  Bytes good = all(-1);
  for_sixteen(text, [&good](Bytes bytes) { good &= known<alphabet>(bytes); });
  return is_all_set(good);
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
Defect check_by(std::string_view who) {
  if (who.empty()) return std::nullopt;
  return check_id<kBuyer>("by", who);
}
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

bool is_well_formed_but_for_names(const Call& call, std::size_t payload_bytes_max) {
  if (call.verb < Verb::reserve || call.verb > Verb::status || call.level < Level::usual ||
      call.level > Level::database || call.timeout < milliseconds{0} || call.timeout > kTimeoutMax)
    return false;
  if (call.verb == Verb::reserve &&
      (call.quantity < 1 || call.quantity > kQuantityMax || call.payload.size() > payload_bytes_max))
    return false;
  return is_id<kBuyer>(call.buyer.text()) && is_id<kBuyer>(call.request.text());
}

bool is_well_formed(const Call& call, std::size_t payload_bytes_max) {
  return is_well_formed_but_for_names(call, payload_bytes_max) && is_id<kSale>(call.sale.text()) &&
         (call.verb != Verb::reserve || is_id<kItem>(call.item.text()));
}

}  // namespace flashsale::core
