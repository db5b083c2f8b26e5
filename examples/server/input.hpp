/// Reads what a request asks, and refuses by name what is outside its bound. Throws Refused.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http.hpp"

namespace server {

/// What a purchase's body says.
struct Purchase {
  std::string item;
  std::string buyer;  ///< empty: not told
  std::uint32_t quantity = 1;
};

/// `[A-Za-z0-9_.-]{1,64}`, and one of `also`.
void check_id(std::string_view field, std::string_view value, std::string_view also);
void check_sale(std::string_view value);
void check_request(std::string_view field, std::string_view value);

/// The Idempotency-Key, once, with or without its quotes.
std::string idempotency_key(const Exchange& exchange);
/// `?buyer=`, or empty; another parameter is refused.
std::string buyer_parameter(const Exchange& exchange);
void no_parameters(const Exchange& exchange);
void no_body(const Exchange& exchange);

Purchase purchase(const Exchange& exchange);
/// `answer` of a token's body.
std::string challenge_answer(const Exchange& exchange);

}  // namespace server
