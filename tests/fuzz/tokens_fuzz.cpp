// Purchase tokens: whatever stands there, only what was made with the key names a buyer, and what was made with it
// does. The input is a sale, a line's end, and a token; or its fields, for a token that is made from them.
#include <algorithm>
#include <string>

#include "fuzz/claim.hpp"
#include "tokens.hpp"

using namespace server;

namespace {

const Tokens& keys() {
  static const Tokens keys({{"new", std::string(32, 'n')}, {"old", std::string(48, 'o')}});
  return keys;
}
const Tokens& old_key() {
  static const Tokens key({{"old", std::string(48, 'o')}});
  return key;
}
constexpr std::int64_t kNow = 150;

/// What names a buyer is, byte for byte, what one of the keys makes for that buyer.
void check_as_it_stands(const std::string& sale, const std::string& token) {
  std::string why;
  const auto buyer = keys().buyer(sale, token, kNow, why);
  if (!buyer) {
    CLAIM(!why.empty());
    return;
  }
  const auto dot = [&](std::size_t from) { return token.find('.', from) + 1; };
  const auto start = dot(dot(0)), end = dot(start);
  const TokenTerms terms{*buyer, std::stoll(token.substr(start)), std::stoll(token.substr(end))};
  CLAIM(terms.not_before_s <= kNow && kNow < terms.expires_s);
  CLAIM(token == keys().sign(sale, terms) || token == old_key().sign(sale, terms));
}

/// A token of these fields names its buyer in its sale and time, and no changed byte goes unnoticed.
void check_made(const std::string& sale, const std::string& buyer, std::uint8_t start, std::uint8_t end,
                std::size_t place, std::uint8_t other) {
  std::string why;
  const std::string token = old_key().sign(sale, {buyer, start, end});
  const auto read = keys().buyer(sale, token, kNow, why);
  const bool is_good = token.size() <= 512 && start <= kNow && kNow < end;
  CLAIM(read.has_value() == is_good);
  CLAIM(!read || *read == buyer);
  CLAIM(!keys().buyer(sale + "x", token, kNow, why));
  CLAIM(!Tokens({{"old", std::string(48, 'x')}}).buyer(sale, token, kNow, why));
  std::string changed = token;
  changed[place % token.size()] = static_cast<char>(other);
  CLAIM(changed == token || !keys().buyer(sale, changed, kNow, why));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(flashsale::fuzz::as_text(data, size));
  const auto line = std::min(text.find('\n'), text.size());
  const std::string sale = text.substr(0, line), rest = text.substr(std::min(line + 1, text.size()));
  check_as_it_stands(sale, rest);
  if (rest.size() >= 4)
    check_made(sale, rest.substr(4), data[line + 1], data[line + 2], data[line + 3] * std::size_t{2}, data[line + 4]);
  return 0;
}
