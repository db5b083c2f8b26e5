#include "problem.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace server {

using flashsale::ErrorCode;
using flashsale::Outcome;
using flashsale::Verb;
using Json = nlohmann::ordered_json;

int http_status(Verb verb, Outcome outcome) {
  switch (outcome) {
    case Outcome::reserved:
      return 201;
    case Outcome::already_reserved:
    case Outcome::confirmed:
      return 200;
    case Outcome::already_confirmed:
      return verb == Verb::release ? 409 : 200;  // it was not cancelled
    case Outcome::released:
      return 200;
    case Outcome::already_released:
      return verb == Verb::release ? 200 : 410;
    case Outcome::pending:
      return 202;
    case Outcome::not_reserved:
      return 404;
    case Outcome::expired:
    case Outcome::ended:
      return 410;
    case Outcome::paused:
      return 503;
    case Outcome::dead:
    case Outcome::not_started:
    case Outcome::limit_reached:
    case Outcome::sold_out:
      return 409;
  }
  return 500;
}

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return 400;
    case ErrorCode::not_found:
      return 404;
    case ErrorCode::conflict:
      return 422;
    case ErrorCode::busy:
      return 429;
    case ErrorCode::timed_out:
    case ErrorCode::disconnected:
    case ErrorCode::refused:
    case ErrorCode::lost:
      return 503;
    case ErrorCode::unsupported:
    case ErrorCode::protocol:
    case ErrorCode::closed:
    case ErrorCode::forked:
    case ErrorCode::internal:
      return 500;
  }
  return 500;
}

namespace {

/// RFC 9457: the same for every problem of one type.
std::string_view title(std::string_view code) {
  static constexpr std::pair<std::string_view, std::string_view> kTitles[] = {
      {"already_confirmed", "The order is paid for and stays"},
      {"already_released", "The order was cancelled"},
      {"expired", "The reservation ran out"},
      {"not_reserved", "There is no such order"},
      {"dead", "The order was set aside for an operator"},
      {"not_started", "The sale has not begun"},
      {"paused", "The sale is paused"},
      {"ended", "The sale is over"},
      {"limit_reached", "The buyer's limit is reached"},
      {"sold_out", "Too few units are left"},
      {"invalid_argument", "A field is outside its bound"},
      {"not_found", "There is no such sale or item"},
      {"conflict", "This request won with another item or quantity"},
      {"busy", "Too many requests are waiting"},
      {"timed_out", "No answer in time"},
      {"disconnected", "No connection to the stock"},
      {"refused", "The stock takes no writes now"},
      {"lost", "The sale is being rebuilt"},
      {"unauthorized", "A purchase token is needed"},
      {"too_many_requests", "Too many requests from one place"},
      {"no_such_path", "There is nothing here"},
      {"method_not_allowed", "The path does not take this method"},
      {"too_large", "The body is too large"},
      {"unsupported_media_type", "The body is not JSON"},
  };
  for (const auto& [name, text] : kTitles)
    if (name == code) return text;
  return "An error inside";
}

bool has_retry_after(const Problem& problem) {
  return problem.status == 429 || problem.status == 503 || problem.code == "not_started" || problem.retry_after_ms > 0;
}

std::string seconds(std::int64_t ms) { return std::to_string(std::max<std::int64_t>(1, (ms + 999) / 1000)); }

Problem of_outcome(int status, const flashsale::Event& event) {
  Problem problem;
  problem.status = status;
  problem.code = flashsale::name(event.outcome());
  problem.order = to_string(event.order());
  problem.retry_after_ms = event.retry_after_ms > 0 ? event.retry_after_ms : -1;
  if (event.outcome() == Outcome::paused && event.reason != flashsale::PauseReason::none)
    problem.reason = flashsale::name(event.reason);
  return problem;
}

Response order(int status, const flashsale::Event& event, std::string_view sale, std::string_view request) {
  Json body{{"outcome", flashsale::name(event.outcome())},
            {"sale", sale},
            {"request", request},
            {"order", to_string(event.order())},
            {"level", flashsale::name(event.level)}};
  if (event.hold_until_ms > 0) body["hold_until_ms"] = event.hold_until_ms;
  if (event.retry_after_ms > 0) body["retry_after_ms"] = event.retry_after_ms;
  Response response;
  response.status = status;
  response.body = body.dump();
  if (status == 201 || status == 202)
    response.headers.emplace_back("Location", "/sales/" + std::string(sale) + "/orders/" + std::string(request));
  if (status == 202) response.headers.emplace_back("Retry-After", seconds(event.retry_after_ms));
  return response;
}

}  // namespace

Response to_response(const Problem& problem) {
  Json body{{"type", "/problems/" + std::string(problem.code)},
            {"title", title(problem.code)},
            {"status", problem.status},
            {"code", problem.code}};
  if (!problem.detail.empty()) body["detail"] = problem.detail;
  if (!problem.effect.empty()) body["effect"] = problem.effect;
  if (!problem.field.empty()) body["field"] = problem.field;
  if (!problem.reason.empty()) body["reason"] = problem.reason;
  if (!problem.order.empty()) body["order"] = problem.order;
  if (problem.retry_after_ms >= 0) body["retry_after_ms"] = problem.retry_after_ms;
  Response response;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  response.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (has_retry_after(problem)) response.headers.emplace_back("Retry-After", seconds(problem.retry_after_ms));
  if (problem.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"purchase\"");
  if (!problem.allow.empty()) response.headers.emplace_back("Allow", problem.allow);
  return response;
}

Response to_response(Verb verb, const flashsale::Event& event, std::string_view sale, std::string_view request) {
  if (!event.is_outcome())
    return to_response(flashsale::Error{event.error(), event.effect,
                                        event.effect == flashsale::Effect::unknown
                                            ? "Send the same request again, with the same Idempotency-Key."
                                            : ""});
  const int status = http_status(verb, event.outcome());
  return status < 300 ? order(status, event, sale, request) : to_response(of_outcome(status, event));
}

Response to_response(const flashsale::Error& error) {
  Problem problem;
  problem.status = http_status(error.code);
  problem.code = flashsale::name(error.code);
  problem.detail = error.detail;
  problem.effect = flashsale::name(error.effect);
  return to_response(problem);
}

void refuse_field(std::string_view field, std::string detail) {
  Problem problem;
  problem.status = 400;
  problem.code = "invalid_argument";
  problem.field = field;
  problem.detail = std::move(detail);
  problem.effect = "none";
  throw Refused{std::move(problem)};
}

}  // namespace server
