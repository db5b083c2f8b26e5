// The hook for a challenge, and who is believed to be whom.
#include "admission.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>
#include <utility>

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

AdmissionOptions for_guests(const Keys& keys, ChallengeHook hook, std::chrono::milliseconds within,
                            std::size_t waiting_max) {
  AdmissionOptions options;
  options.keys_path = keys.path;
  options.guests = true;
  options.challenge = {std::move(hook), within, waiting_max};
  return options;
}

HttpOptions one_thread() {
  HttpOptions options;
  options.threads = 1;
  return options;
}

/// A server on one thread that gives tokens to guests who pass, and 204 to who asks for something else.
struct Door {
  Keys keys;
  Admission admission;
  Served served;
  explicit Door(ChallengeHook hook, std::chrono::milliseconds within = std::chrono::hours{1}, std::size_t most = 100)
      : admission(for_guests(keys, std::move(hook), within, most)),
        served(
            [this](Exchange& exchange) {
              if (exchange.method() != "POST") return exchange.answer(Response{204});
              admission.give_token(exchange, "spring");
            },
            one_thread()) {}
};

}  // namespace

TEST_SUITE("admission") {
  TEST_CASE("a guest gets a token only if the challenge's hook says so, and the hook hears who asks for what") {
    std::string heard;
    const Door door([&](const Challenge& challenge, const Verdict& verdict) {
      heard = challenge.address + " " + challenge.sale + " " + challenge.answer;
      verdict(challenge.answer == "seven");
      verdict(challenge.answer != "seven");  // only the first one counts
    });
    CHECK(has(door.served.post("/", R"({"answer":"eight"})"), " 401 "));
    CHECK(heard == "127.0.0.1 spring eight");
    CHECK(has(door.served.post("/", "{}"), " 401 "));
    const std::string given = door.served.post("/", R"({"answer":"seven"})");
    CHECK(has(given, " 201 "));
    CHECK(has(given, "\"buyer\":\"guest-"));
  }

  TEST_CASE("a verdict may come later and from another thread, and the server's only one serves others meanwhile") {
    std::promise<Verdict> asked;
    const Door door([&](const Challenge&, Verdict verdict) { asked.set_value(std::move(verdict)); });
    auto guest = std::async(std::launch::async, [&] { return door.served.post("/", R"({"answer":"slow"})"); });
    const Verdict verdict = asked.get_future().get();
    CHECK(has(door.served.get("/other"), " 204 "));
    CHECK(guest.wait_for(std::chrono::seconds{0}) == std::future_status::timeout);
    verdict(true);
    CHECK(has(guest.get(), " 201 "));
    verdict(true);  // nobody waits for it any more
  }

  TEST_CASE("a guest whose verdict does not come in time hears 503 and gets no token, also when it comes then") {
    std::promise<Verdict> asked;
    const Door door([&](const Challenge&, Verdict verdict) { asked.set_value(std::move(verdict)); },
                    std::chrono::milliseconds{1});
    const std::string said = door.served.post("/", "{}");
    CHECK(has(said, " 503 "));
    CHECK(has(said, "timed_out"));
    asked.get_future().get()(true);
  }

  TEST_CASE("guests without a verdict are bounded, and all are answered when the server ends") {
    std::promise<Verdict> asked;
    auto door = std::make_unique<Door>([&](const Challenge&, Verdict verdict) { asked.set_value(std::move(verdict)); },
                                       std::chrono::hours{1}, 1);
    auto guest = std::async(std::launch::async, [&] { return door->served.post("/", "{}"); });
    const Verdict verdict = asked.get_future().get();
    CHECK(has(door->served.post("/", "{}"), " 429 "));
    door->admission.close();
    CHECK(has(guest.get(), "\"code\":\"closed\""));
    CHECK(has(door->served.post("/", "{}"), "\"code\":\"closed\""));
    door.reset();
    verdict(true);  // long after the server
  }

  TEST_CASE("a hook that throws is a plain 500 and gives no token") {
    const Door door([](const Challenge&, const Verdict&) { throw std::runtime_error("the captcha's server is away"); });
    const std::string said = door.served.post("/", "{}");
    CHECK(has(said, " 500 "));
    CHECK_FALSE(has(said, "token\""));
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
