#include "input.hpp"

#include <algorithm>
#include <flashsale/types.hpp>
#include <nlohmann/json.hpp>

#include "problem.hpp"

namespace server {
namespace {

using Json = nlohmann::json;

bool is_id_byte(char c, std::string_view also) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-' || also.find(c) != std::string_view::npos;
}

void check_media_type(const Exchange& exchange) {
  auto type = exchange.header("Content-Type").value_or("");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && type.back() == ' ') type.remove_suffix(1);
  std::string lower(type);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "application/json") return;
  Problem problem;
  problem.status = 415;
  problem.code = "unsupported_media_type";
  problem.field = "Content-Type";
  problem.detail = "Content-Type must be application/json";
  throw Refused{std::move(problem)};
}

void check_size(const Exchange& exchange) {
  if (!exchange.body_is_too_large()) return;
  Problem problem;
  problem.status = 413;
  problem.code = "too_large";
  problem.field = "body";
  problem.detail = "the body has more than " + std::to_string(kBodyBytesMax) + " bytes";
  throw Refused{std::move(problem)};
}

/// A JSON object, flat and with no member twice: two readers of one body must not see two purchases.
Json object(const Exchange& exchange) {
  check_size(exchange);
  check_media_type(exchange);
  std::vector<std::string> seen;
  std::string defect;
  const auto look = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start) {
      if (depth > 0) defect = "no member of the body may be an object or a list";
    } else if (event == Json::parse_event_t::key && depth == 1) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (std::find(seen.begin(), seen.end(), name) != seen.end()) defect = "a member of the body stands there twice";
      seen.push_back(name);
    }
    return defect.empty();
  };
  Json body = Json::parse(exchange.body(), look, false);
  if (!defect.empty()) refuse_field("body", defect);
  if (body.is_discarded() || !body.is_object()) refuse_field("body", "the body must be a JSON object");
  return body;
}

std::string text_member(const Json& value, const std::string& name) {
  if (!value.is_string()) refuse_field(name, name + " must be a string");
  return value.get<std::string>();
}

[[noreturn]] void refuse_member() {
  refuse_field("body", "the body has a member that is not known here");  // its name may be 4 KiB of anything
}

}  // namespace

void check_id(std::string_view field, std::string_view value, std::string_view also) {
  const bool fits = !value.empty() && value.size() <= flashsale::kIdBytesMax &&
                    std::all_of(value.begin(), value.end(), [&](char c) { return is_id_byte(c, also); });
  if (!fits)
    refuse_field(field, std::string(field) + " must be 1 to 64 bytes of [A-Za-z0-9_." + std::string(also) + "-]");
}

void check_sale(std::string_view value) { check_id("sale", value, ":"); }
void check_request(std::string_view field, std::string_view value) { check_id(field, value, ":@"); }

std::string idempotency_key(const Exchange& exchange) {
  constexpr std::string_view kName = "Idempotency-Key";
  int times = 0;
  auto key = exchange.header(kName.data(), &times).value_or("");
  if (times != 1) refuse_field(kName, "the header Idempotency-Key must be there once");
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"') key = key.substr(1, key.size() - 2);
  check_request(kName, key);
  return std::string(key);
}

std::string buyer_parameter(const Exchange& exchange) {
  if (exchange.parameter_other_than("buyer")) refuse_field("query", "only the parameter buyer is known here");
  int times = 0;
  const auto buyer = exchange.parameter("buyer", &times);
  if (times > 1) refuse_field("buyer", "buyer stands there more than once");
  if (!buyer) return {};
  check_request("buyer", *buyer);
  return std::string(*buyer);
}

void no_parameters(const Exchange& exchange) {
  if (exchange.parameter_other_than("")) refuse_field("query", "no parameter is known here");
}

void no_body(const Exchange& exchange) {
  check_size(exchange);
  if (!exchange.body().empty()) refuse_field("body", "no body is known here");
}

Purchase purchase(const Exchange& exchange) {
  const Json body = object(exchange);
  Purchase purchase;
  for (const auto& [name, value] : body.items()) {
    if (name == "item") {
      purchase.item = text_member(value, name);
    } else if (name == "buyer") {
      purchase.buyer = text_member(value, name);
      check_request("buyer", purchase.buyer);
    } else if (name == "quantity") {
      // 1.0 and 1e0 are no integers here, and 2^64 does not wrap to a small one.
      if (!value.is_number_unsigned() || value.get<std::uint64_t>() < 1 ||
          value.get<std::uint64_t>() > flashsale::kQuantityMax)
        refuse_field("quantity", "quantity must be an integer from 1 to 1000000");
      purchase.quantity = value.get<std::uint32_t>();
    } else {
      refuse_member();
    }
  }
  check_id("item", purchase.item, "");
  return purchase;
}

std::string challenge_answer(const Exchange& exchange) {
  const Json body = object(exchange);
  std::string answer;
  for (const auto& [name, value] : body.items()) {
    if (name != "answer") refuse_member();
    answer = text_member(value, name);
    if (answer.size() > 2048) refuse_field("answer", "answer has more than 2048 bytes");
  }
  return answer;
}

}  // namespace server
