#include "tokens.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace server {
namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::size_t kTokenBytesMax = 512;
constexpr std::size_t kMacBytes = 32;

std::string to_base64url(std::string_view bytes) {
  std::string text;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = (bits << 8) | static_cast<unsigned char>(c);
    for (count += 8; count >= 6; count -= 6) text += kAlphabet[(bits >> (count - 6)) & 63];
  }
  if (count > 0) text += kAlphabet[(bits << (6 - count)) & 63];
  return text;
}

/// Nothing if `text` is not exactly what to_base64url gives: one token has one spelling.
std::optional<std::string> from_base64url(std::string_view text) {
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count >= 8) bytes += static_cast<char>((bits >> (count -= 8)) & 255);
  }
  if (to_base64url(bytes) != text) return std::nullopt;
  return bytes;
}

std::string mac(const TokenKey& key, std::string_view sale, std::string_view buyer, std::string_view not_before,
                std::string_view expires) {
  std::string message;
  for (const std::string_view field :
       {std::string_view("1"), std::string_view(key.id), buyer, sale, not_before, expires}) {
    const auto size = static_cast<std::uint32_t>(field.size());
    for (const int shift : {24, 16, 8, 0}) message += static_cast<char>((size >> shift) & 255);
    message += field;
  }
  std::string bytes(kMacBytes, '\0');
  unsigned size = 0;
  HMAC(EVP_sha256(), key.secret.data(), static_cast<int>(key.secret.size()),
       reinterpret_cast<const unsigned char*>(message.data()), message.size(),
       reinterpret_cast<unsigned char*>(bytes.data()), &size);
  if (size != kMacBytes) throw std::runtime_error("HMAC-SHA-256 failed");
  return bytes;
}

std::optional<std::int64_t> to_number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

/// The six parts between the dots, or false.
bool split(std::string_view token, std::array<std::string_view, 6>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto dot = token.find('.');
    if ((dot == std::string_view::npos) != (i + 1 == parts.size())) return false;
    parts[i] = token.substr(0, dot);
    token.remove_prefix(dot == std::string_view::npos ? token.size() : dot + 1);
  }
  return true;
}

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    if (error != std::errc{} || end != text.data() + i + 2) return {};
    bytes += static_cast<char>(value);
  }
  return text.size() % 2 == 0 ? bytes : std::string{};
}

}  // namespace

Tokens::Tokens(std::vector<TokenKey> keys) : keys_(std::move(keys)) {
  if (keys_.empty()) throw std::runtime_error("there must be a key for purchase tokens");
  for (const auto& key : keys_) {
    const bool named = !key.id.empty() && key.id.size() <= 16 && std::all_of(key.id.begin(), key.id.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    });
    if (!named) throw std::runtime_error("a key's id must be 1 to 16 of [a-z0-9]");
    if (key.secret.size() < 32 || key.secret.size() > 64)
      throw std::runtime_error("the secret of key " + key.id + " must be 32 to 64 bytes, in hex");
    if (std::count_if(keys_.begin(), keys_.end(), [&](const auto& other) { return other.id == key.id; }) > 1)
      throw std::runtime_error("two keys have the id " + key.id);
  }
}

Tokens Tokens::read(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read the keys in '" + path + "'");
  std::vector<TokenKey> keys;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string id, secret;
    if (!(words >> id) || id.front() == '#') continue;
    words >> secret;
    keys.push_back({id, from_hex(secret)});
  }
  return Tokens(std::move(keys));
}

std::string Tokens::sign(std::string_view sale, const TokenTerms& terms) const {
  const TokenKey& key = keys_.front();
  const std::string not_before = std::to_string(terms.not_before_s), expires = std::to_string(terms.expires_s);
  return "1." + key.id + "." + not_before + "." + expires + "." + to_base64url(terms.buyer) + "." +
         to_base64url(mac(key, sale, terms.buyer, not_before, expires));
}

std::optional<std::string> Tokens::buyer(std::string_view sale, std::string_view token, std::int64_t now_s,
                                         std::string& why) const {
  std::array<std::string_view, 6> parts;
  why = "the purchase token is malformed";
  if (token.size() > kTokenBytesMax || !split(token, parts) || parts[0] != "1") return std::nullopt;
  const auto not_before = to_number(parts[2]), expires = to_number(parts[3]);
  const auto buyer = from_base64url(parts[4]), given = from_base64url(parts[5]);
  if (!not_before || !expires || !buyer || !given || given->size() != kMacBytes) return std::nullopt;
  why = "the purchase token is not good for this sale";
  const auto key = std::find_if(keys_.begin(), keys_.end(), [&](const auto& k) { return k.id == parts[1]; });
  if (key == keys_.end()) return std::nullopt;
  const auto right = mac(*key, sale, *buyer, parts[2], parts[3]);
  if (CRYPTO_memcmp(right.data(), given->data(), kMacBytes) != 0) return std::nullopt;
  why = "the purchase token has expired";
  if (now_s >= *expires) return std::nullopt;
  why = "the purchase token is not good yet";
  if (now_s < *not_before) return std::nullopt;
  return buyer;
}

}  // namespace server
