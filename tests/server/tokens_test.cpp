// Purchase tokens: what is signed is what is read, and nothing else is.
#include "tokens.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace server;

namespace {

const TokenKey kKey{"k1", std::string(32, 's')};

std::optional<std::string> read(const Tokens& tokens, std::string_view sale, std::string_view token, std::int64_t now) {
  std::string why;
  return tokens.buyer(sale, token, now, why);
}

}  // namespace

TEST_SUITE("tokens") {
  TEST_CASE("a token is good for its buyer, its sale and its time, both ends as said") {
    const Tokens tokens({kKey});
    const auto token = tokens.sign("spring", {"ann@example.org", 100, 200});
    CHECK(read(tokens, "spring", token, 100) == "ann@example.org");
    CHECK(read(tokens, "spring", token, 199) == "ann@example.org");
    CHECK_FALSE(read(tokens, "spring", token, 99));
    CHECK_FALSE(read(tokens, "spring", token, 200));
    CHECK_FALSE(read(tokens, "sprin", token, 150));
  }

  TEST_CASE("another program makes the same token from the same fields") {
    // Python: hmac.new(b"s" * 32, b"".join(len(f).to_bytes(4, "big") + f for f in
    //         (b"1", b"k1", b"ann", b"spring", b"100", b"200")), "sha256"), in base64url without padding
    CHECK(Tokens({kKey}).sign("spring", {"ann", 100, 200}) ==
          "1.k1.100.200.YW5u.JxO-z9LXJCXDCxtmkJ7vUbBVJy1Ul1EboIxY7ZMbdI0");
  }

  TEST_CASE("bytes that move from one field to its neighbour are another token") {
    const Tokens tokens({kKey});
    CHECK(tokens.sign("bc", {"a", 1, 2}).substr(12) != tokens.sign("c", {"ab", 1, 2}).substr(12));
    const auto token = tokens.sign("spring", {"ann", 1, 23});
    CHECK_FALSE(read(tokens, "spring", "1.k1.12.3" + token.substr(9), 2));
  }

  TEST_CASE("every changed byte of a token is noticed") {
    const Tokens tokens({kKey});
    const auto token = tokens.sign("spring", {"ann", 100, 200});
    for (std::size_t i = 0; i < token.size(); ++i) {
      for (const char c : {'A', 'b', '0', '.', '-', '=', '\0'}) {
        auto changed = token;
        if (changed[i] == c) continue;
        changed[i] = c;
        CHECK_FALSE(read(tokens, "spring", changed, 150));
      }
      CHECK_FALSE(read(tokens, "spring", token.substr(0, i), 150));
    }
    CHECK_FALSE(read(tokens, "spring", token + "A", 150));
  }

  TEST_CASE("a key that was rotated out of first place still checks, one that is gone does not") {
    const TokenKey fresh{"k2", std::string(32, 'f')};
    const auto token = Tokens({kKey}).sign("spring", {"ann", 100, 200});
    CHECK(read(Tokens({fresh, kKey}), "spring", token, 150) == "ann");
    CHECK_FALSE(read(Tokens({fresh}), "spring", token, 150));
    CHECK(Tokens({fresh, kKey}).sign("spring", {"ann", 1, 2}).rfind("1.k2.", 0) == 0);
    // The same id under another secret is another key.
    CHECK_FALSE(read(Tokens({{"k1", std::string(32, 'x')}}), "spring", token, 150));
  }

  TEST_CASE("keys that are weak, nameless or there twice are refused") {
    CHECK_THROWS_AS(Tokens({}), std::runtime_error);
    CHECK_THROWS_AS(Tokens({{"k1", std::string(31, 's')}}), std::runtime_error);
    CHECK_THROWS_AS(Tokens({{"K1", std::string(32, 's')}}), std::runtime_error);
    CHECK_THROWS_AS(Tokens({{"", std::string(32, 's')}}), std::runtime_error);
    CHECK_THROWS_AS(Tokens({kKey, kKey}), std::runtime_error);
  }
}
