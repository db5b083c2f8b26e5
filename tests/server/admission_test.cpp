// The hook for a challenge, and who is believed to be whom.
#include "admission.hpp"

#include <doctest/doctest.h>

#include <fstream>

#include "served.hpp"
#include "support/private_redis.hpp"

using namespace server;
using namespace server::test;

namespace {

/// A file of keys in a folder of its own.
struct Keys {
  flashsale::test::PrivateRedis folder;  // for its folder alone
  std::string path = folder.dir() + "/keys";
  Keys() { std::ofstream(path) << "k1 " << std::string(64, 'a') << "\n"; }
};

}  // namespace

TEST_SUITE("admission") {
  TEST_CASE("a guest gets a token only if the challenge's hook says so, and the hook hears who asks for what") {
    const Keys keys;
    AdmissionOptions options;
    options.keys_path = keys.path;
    options.guests = true;
    std::string heard;
    options.challenge = [&](std::string_view address, std::string_view sale, std::string_view answer) {
      heard = std::string(address) + " " + std::string(sale) + " " + std::string(answer);
      return answer == "seven";
    };
    Admission admission(options);
    const Served served([&](Exchange& exchange) { exchange.answer(admission.guest_token(exchange, "spring")); });
    CHECK(has(served.post("/", R"({"answer":"eight"})"), " 401 "));
    CHECK(heard == "127.0.0.1 spring eight");
    CHECK(has(served.post("/", "{}"), " 401 "));
    const std::string given = served.post("/", R"({"answer":"seven"})");
    CHECK(has(given, " 201 "));
    CHECK(has(given, "\"buyer\":\"guest-"));
  }

  TEST_CASE("a hook that throws is a plain 500 and gives no token") {
    const Keys keys;
    AdmissionOptions options;
    options.keys_path = keys.path;
    options.guests = true;
    options.challenge = [](auto, auto, auto) -> bool { throw std::runtime_error("the captcha's server is away"); };
    Admission admission(options);
    const Served served([&](Exchange& exchange) { exchange.answer(admission.guest_token(exchange, "spring")); });
    const std::string said = served.post("/", "{}");
    CHECK(has(said, " 500 "));
    CHECK_FALSE(has(said, "token"));
  }

  TEST_CASE("a signed buyer outside the bounds of a buyer is refused by name") {
    const Keys keys;
    AdmissionOptions options;
    options.keys_path = keys.path;
    Admission admission(options);
    const auto token = Tokens::read(keys.path).sign("spring", {"a b", 0, 4'000'000'000});
    const Served served([&](Exchange& exchange) {
      exchange.answer(Response{200, "text/plain", admission.buyer(exchange, "spring", "", true)});
    });
    const std::string said = served.get("/", "Authorization: Bearer " + token + "\r\n");
    CHECK(has(said, " 400 "));
    CHECK(has(said, "\"field\":\"buyer\""));
  }
}
