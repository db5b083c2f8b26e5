/// What every outcome and error is in HTTP: its status, and problem+json (RFC 9457) for all that is not 2xx.
#pragma once

#include <flashsale/flashsale.hpp>
#include <string>
#include <string_view>

#include "http.hpp"

namespace server {

int http_status(flashsale::Verb verb, flashsale::Outcome outcome);
int http_status(flashsale::ErrorCode code);

/// The members of a problem; what is empty or negative is left out.
struct Problem {
  int status = 500;
  std::string_view code{};
  std::string detail{};
  std::string_view effect{};
  std::string field{};  ///< owned: it may be a name out of a body that is gone when the problem is told
  std::string_view reason{};
  std::string order{};
  std::string allow{};               ///< of 405: the header
  std::int64_t retry_after_ms = -1;  ///< also the header, where the status has one
};

Response to_response(const Problem& problem);

/// The answer to one call of a gate.
Response to_response(flashsale::Verb verb, const flashsale::Event& event, std::string_view sale,
                     std::string_view request);
Response to_response(const flashsale::Error& error);

/// Thrown where a request is read; the handler answers with what it holds.
struct Refused {
  Problem problem;
};

/// A field is outside its bound: 400 that names both.
[[noreturn]] void refuse_field(std::string_view field, std::string detail);

}  // namespace server
