#include "admission.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/rand.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "input.hpp"
#include "problem.hpp"

namespace server {
namespace {

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::int64_t unix_s() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

[[noreturn]] void refuse_token(std::string detail) {
  Problem problem;
  problem.status = 401;
  problem.code = "unauthorized";
  problem.detail = std::move(detail);
  throw Refused{std::move(problem)};
}

void take(Buckets& buckets, std::string_view key, const char* detail) {
  const auto wait_ms = buckets.take(key, steady_ms());
  if (wait_ms == 0) return;
  Problem problem;
  problem.status = 429;
  problem.code = "too_many_requests";
  problem.detail = detail;
  problem.retry_after_ms = wait_ms;
  throw Refused{std::move(problem)};
}

/// One IPv6 customer has at least a /64 of addresses, so that is one place.
std::string place(std::string_view address) {
  const std::string text(address);
  in6_addr six{};
  if (inet_pton(AF_INET6, text.c_str(), &six) != 1) return text;
  return std::string(reinterpret_cast<const char*>(&six), 8);
}

std::string random_buyer() {
  unsigned char bytes[12];
  if (RAND_bytes(bytes, sizeof bytes) != 1) throw std::runtime_error("no random bytes");
  std::string name = "guest-";
  for (const unsigned byte : bytes) {
    name += "0123456789abcdef"[byte >> 4];
    name += "0123456789abcdef"[byte & 15];
  }
  return name;
}

/// The token of `Authorization: Bearer`.
std::string_view bearer(const Exchange& exchange) {
  constexpr std::string_view kScheme = "Bearer ";
  int times = 0;
  const auto header = exchange.header("Authorization", &times).value_or("");
  if (times == 0) refuse_token("the header Authorization: Bearer with a purchase token is missing");
  if (times > 1 || header.substr(0, kScheme.size()) != kScheme) refuse_token("Authorization must be one Bearer token");
  return header.substr(kScheme.size());
}

}  // namespace

Admission::Admission(AdmissionOptions options)
    : options_(std::move(options)),
      addresses_(options_.address_per_second, options_.address_burst),
      buyers_(options_.buyer_per_second, options_.buyer_burst),
      challenges_(options_.challenge, [this](const std::string& sale) { return guest_token(sale); }) {
  read_keys();
}

void Admission::read_keys() {
  if (options_.keys_path.empty()) return;
  auto keys = std::make_shared<const Tokens>(Tokens::read(options_.keys_path));
  const std::lock_guard<std::mutex> lock(mutex_);
  tokens_ = std::move(keys);
}

std::shared_ptr<const Tokens> Admission::tokens() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return tokens_;
}

void Admission::check_address(const Exchange& exchange) {
  take(addresses_, place(exchange.address()), "this address asks too often");
}

std::string Admission::buyer(const Exchange& exchange, std::string_view sale, std::string_view told, bool writes) {
  std::string buyer(told);
  if (const auto keys = tokens()) {
    std::string why;
    auto named = keys->buyer(sale, bearer(exchange), unix_s(), why);
    if (!named) refuse_token(why);
    if (!told.empty() && told != *named) refuse_token("the purchase token is another buyer's");
    buyer = std::move(*named);
  }
  check_request("buyer", buyer);
  if (writes) take(buyers_, buyer, "this buyer asks too often");
  return buyer;
}

void Admission::give_token(Exchange& exchange, std::string_view sale) {
  if (!tokens() || !options_.guests) {
    Problem problem;
    problem.status = 404;
    problem.code = "no_such_path";
    problem.detail = "this server gives no tokens to guests";
    return exchange.answer(to_response(problem));
  }
  std::string answer = challenge_answer(exchange);
  challenges_.ask(exchange, {std::string(exchange.address()), std::string(sale), std::move(answer)});
}

Response Admission::guest_token(const std::string& sale) const {
  const auto keys = tokens();
  const auto now = unix_s();
  const TokenTerms terms{random_buyer(), now, now + options_.guest_s};
  Response response;
  response.status = 201;
  response.body = nlohmann::ordered_json{{"token", keys->sign(sale, terms)},
                                         {"buyer", terms.buyer},
                                         {"not_before_ms", terms.not_before_s * 1000},
                                         {"expires_ms", terms.expires_s * 1000}}
                      .dump();
  return response;
}

}  // namespace server
