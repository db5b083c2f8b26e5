/// Purchase tokens: who may buy in which sale, and from when until when, under a key that the server has.
///
///   1.<kid>.<not before>.<expiry>.<buyer>.<mac>         times in Unix seconds; buyer and mac in base64url
///
/// The mac is HMAC-SHA-256 over `1`, kid, buyer, sale, not before, expiry, each preceded by its length as four bytes,
/// so that no two different tokens have the same bytes under the mac. The sale is not in the token: it is that of the
/// path.
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace server {

struct TokenKey {
  std::string id;      ///< 1..16 of [a-z0-9]
  std::string secret;  ///< 32..64 bytes
};

struct TokenTerms {
  std::string buyer;
  std::int64_t not_before_s = 0;
  std::int64_t expires_s = 0;
};

/// Immutable, so thread-safe. The first key signs; every key is good for checking: put a new one first, and take the
/// old one away once its tokens have expired.
class Tokens {
 public:
  explicit Tokens(std::vector<TokenKey> keys);
  /// Reads lines `<kid> <secret in hex>`; # begins a comment. Throws std::runtime_error that names the line.
  static Tokens read(const std::string& path);

  std::string sign(std::string_view sale, const TokenTerms& terms) const;
  /// The buyer, if the token is one of ours, for this sale, and good at `now_s`; else `why` says what is wrong.
  std::optional<std::string> buyer(std::string_view sale, std::string_view token, std::int64_t now_s,
                                   std::string& why) const;

 private:
  std::vector<TokenKey> keys_;
};

}  // namespace server
