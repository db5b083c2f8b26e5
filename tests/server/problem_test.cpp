// What every outcome and error is in HTTP.
#include "problem.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

using namespace flashsale;
using namespace server;

namespace {

Event event(std::int32_t code) {
  Event event;
  event.code = code;
  event.epoch = 1;
  event.seq = 7;
  return event;
}

std::string header(const Response& response, const std::string& name) {
  for (const auto& [key, value] : response.headers)
    if (key == name) return value;
  return "";
}

}  // namespace

TEST_SUITE("problem") {
  TEST_CASE("every outcome and every error of every verb has a body that names it, and never an empty title") {
    for (const Verb verb : {Verb::reserve, Verb::confirm, Verb::release, Verb::resolve, Verb::status}) {
      for (std::int32_t code = -13; code <= 15; ++code) {
        if (code == 0) continue;
        const Response response = to_response(verb, event(code), "spring", "r1");
        const auto body = nlohmann::json::parse(response.body);
        const std::string named(code > 0 ? name(static_cast<Outcome>(code)) : name(static_cast<ErrorCode>(code)));
        INFO(named);
        if (response.status < 300) {
          CHECK(body["outcome"] == named);
          CHECK(body["order"] == "1-7.0");
        } else {
          CHECK(response.content_type == "application/problem+json");
          CHECK(body["code"] == named);
          CHECK(body["status"] == response.status);
          CHECK(body["type"] == "/problems/" + named);
          CHECK(body["title"] != "");
        }
      }
    }
  }

  TEST_CASE("only what the buyer wanted is 2xx") {
    CHECK(http_status(Verb::reserve, Outcome::reserved) == 201);
    CHECK(http_status(Verb::reserve, Outcome::already_confirmed) == 200);
    CHECK(http_status(Verb::release, Outcome::already_confirmed) == 409);
    CHECK(http_status(Verb::release, Outcome::already_released) == 200);
    CHECK(http_status(Verb::confirm, Outcome::already_released) == 410);
    CHECK(http_status(Verb::confirm, Outcome::expired) == 410);
  }

  TEST_CASE("when to come back is said in whole seconds, at least one") {
    Event paused = event(static_cast<std::int32_t>(Outcome::paused));
    paused.retry_after_ms = 1;
    CHECK(header(to_response(Verb::reserve, paused, "s", "r"), "Retry-After") == "1");
    paused.retry_after_ms = 1001;
    CHECK(header(to_response(Verb::reserve, paused, "s", "r"), "Retry-After") == "2");
    CHECK(header(to_response(Error{ErrorCode::busy, {}, ""}), "Retry-After") == "1");
    CHECK(header(to_response(Verb::reserve, event(static_cast<std::int32_t>(Outcome::ended)), "s", "r"),
                 "Retry-After") == "");
  }

  TEST_CASE("an unknown effect says how to go on") {
    Event lost = event(static_cast<std::int32_t>(ErrorCode::disconnected));
    lost.effect = Effect::unknown;
    const auto body = nlohmann::json::parse(to_response(Verb::reserve, lost, "s", "r").body);
    CHECK(body["effect"] == "unknown");
    CHECK(body["detail"].get<std::string>().find("Idempotency-Key") != std::string::npos);
  }

  TEST_CASE("a refused field is named also when what it was read from is gone") {
    std::string name = "a member of the body";
    const std::string expected = name;
    try {
      refuse_field(name, "it must be a string");
    } catch (const Refused& refused) {
      name.assign(name.size(), '?');
      CHECK(nlohmann::json::parse(to_response(refused.problem).body)["field"] == expected);
    }
  }
}
