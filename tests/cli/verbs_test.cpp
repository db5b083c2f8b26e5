// Every verb of `flashsale`: exit codes, the JSON line, and what is refused.
#include <doctest/doctest.h>
#include <signal.h>

#include <thread>

#include "program.hpp"
#include "times.hpp"

namespace flashsale::test {
namespace {

const Arguments kReserve = {"reserve", "spring", "shoe", "--buyer", "ann"};

Ended reserve(const Desk& desk, const std::string& buyer, const std::string& request) {
  return desk.flashsale({"reserve", "spring", "shoe", "--buyer", buyer, "--request", request, "--json"});
}

void create_open(const Desk& desk) {
  desk.json({"create", "spring", "--item", "shoe=3:2", "--item", "hat=5:1"});
  desk.json({"open", "spring"});
}

TEST_CASE("a sale's life: every yes is 0, every refusal 3") {
  const Desk desk;
  CHECK(desk.json({"create", "spring", "--item", "shoe=3:2"})["phase"] == "not_started");
  CHECK(reserve(desk, "ann", "r1").json()["outcome"] == "not_started");
  CHECK(desk.json({"open", "spring"})["phase"] == "open");

  const Ended won = reserve(desk, "ann", "r1");
  CHECK(won.code == 0);
  CHECK(won.json()["outcome"] == "reserved");
  CHECK(won.json()["order"].get<std::string>().substr(0, 2) == "1-");
  CHECK(reserve(desk, "ann", "r1").json()["order"] == won.json()["order"]);
  CHECK(reserve(desk, "ann", "r1").code == 0);
  const Ended looked = desk.flashsale({"resolve", "spring", "--buyer", "ann", "--request", "r1", "--json"});
  CHECK(looked.code == 0);
  CHECK(looked.json()["order"] == won.json()["order"]);
  CHECK(reserve(desk, "ann", "r2").code == 0);
  CHECK(reserve(desk, "ann", "r3").json()["outcome"] == "limit_reached");
  CHECK(reserve(desk, "ann", "r3").code == 3);
  CHECK(desk.flashsale({"resolve", "spring", "--buyer", "ann", "--request", "r3"}).code == 3);

  CHECK(desk.json({"pause", "spring"})["phase"] == "paused");
  CHECK(reserve(desk, "bob", "r4").json()["reason"] == "operator");
  CHECK(desk.json({"resume", "spring"})["phase"] == "open");
  CHECK(reserve(desk, "bob", "r4").code == 0);
  CHECK(reserve(desk, "eve", "r5").json()["outcome"] == "sold_out");
  CHECK(desk.json({"restock", "spring", "shoe", "1", "--operation", "op"})["items"]["shoe"]["total"] == 4);
  CHECK(desk.json({"restock", "spring", "shoe", "1", "--operation", "op"})["items"]["shoe"]["total"] == 4);
  CHECK(reserve(desk, "eve", "r5").code == 0);

  CHECK(desk.json({"drain", "spring"})["phase"] == "draining");
  CHECK(desk.json({"close", "spring"})["phase"] == "ended");
  CHECK(reserve(desk, "joe", "r6").json()["outcome"] == "ended");
  CHECK(desk.flashsale({"work", "spring", "--drain"}).code == 0);
  CHECK(desk.orders("spring").size() == 4);
  CHECK(desk.json({"retire", "spring"})["state"] == "retired");
  const Ended again = desk.flashsale({"create", "spring", "--item", "shoe=3:2", "--json"});
  CHECK(again.code == 4);
  CHECK(again.json()["error"] == "conflict");
}

TEST_CASE("confirm and release: a yes is 0, and what is below its level is pending") {
  const Desk desk;
  REQUIRE(desk.flashsale({"create", "spring", "--item", "shoe=3:2", "--hold", "15m"}).code == 0);
  REQUIRE(desk.flashsale({"open", "spring"}).code == 0);
  REQUIRE(reserve(desk, "ann", "r1").code == 0);
  REQUIRE(reserve(desk, "ann", "r2").code == 0);
  CHECK(desk.json({"status", "spring"})["held"] == 2);
  const auto turn = [&](const char* verb, const char* request, const char* level) {
    return desk.flashsale({verb, "spring", "--buyer", "ann", "--request", request, "--level", level, "--json"});
  };
  CHECK(turn("release", "r2", "primary").json()["outcome"] == "released");
  CHECK(turn("release", "r2", "primary").code == 3);
  CHECK(desk.flashsale({"--timeout", "100ms", "confirm", "spring", "--buyer", "ann", "--request", "r1", "--json"})
            .json()["outcome"] == "pending");  // nobody works for the database
  CHECK(turn("confirm", "r1", "primary").json()["outcome"] == "already_confirmed");
  CHECK(turn("confirm", "r1", "disk").code == 2);
  CHECK(desk.json({"status", "spring"})["held"] == 0);
}

TEST_CASE("what is wrong is named, with its bound, and exit code 2; stdout stays empty") {
  const Desk desk;
  create_open(desk);
  const std::string no_object = desk.write("list.json", "[1]");
  const std::string other_item = desk.write("other.json", "{\"boot\": 1}");
  const std::string long_id(65, 'x');
  const std::vector<std::pair<Arguments, std::string>> table = {
      {{}, "verb"},
      {{"sell"}, "sell"},
      {{"status"}, "SALE"},
      {{"status", "two words"}, "sale"},
      {{"create", "new", "--item", "shoe"}, "NAME=UNITS:LIMIT"},
      {{"create", "new", "--item", "shoe=-1:1"}, "UNITS must be a whole number from 0 to 2147483647"},
      {{"create", "new", "--item", "shoe=2147483648:1"}, "2147483647"},
      {{"create", "new", "--item", "shoe=1e3:1"}, "'1e3'"},
      {{"create", "new", "--item", "shoe=1:0"}, "LIMIT must be a whole number from 1 to 1000000"},
      {{"create", "new", "--item", "a b=1:1"}, "item"},
      {{"create", "new", "--item", "shoe=1:1", "--item", "shoe=2:1"}, "twice"},
      {{"create", long_id, "--item", "shoe=1:1"}, "64"},
      {{"create", "new", "--item", "shoe=1:1", "--opens-at", "tomorrow"}, "--opens-at"},
      {{"create", "new", "--item", "shoe=1:1", "--closes-at", "+5parsecs"}, "--closes-at"},
      {{"create", "new", "--item", "shoe=1:1", "--queue", "heap"}, "--queue"},
      {{"create", "new", "--item", "shoe=1:1", "--hold", "31d"}, "--hold"},
      {{"create", "new", "--item", "shoe=1:1", "--probe", "6s"}, "--probe"},
      {{"create", "new", "--item", "shoe=1:1", "--replicas", "17"}, "from 0 to 16"},
      {{"create", "new", "--item", "shoe=1:1", "--buyer-orders", "65"}, "from 1 to 64"},
      {{"create", "new", "--item", "shoe=1:1", "--info", "/nowhere"}, "--info"},
      {{"create", "new", "--item", "shoe=1:1", "--info", no_object}, "JSON object"},
      {{"create", "new", "--item", "shoe=1:1", "--info", other_item}, "boot"},
      {{"restock", "spring", "shoe", "0"}, "units"},
      {{"restock", "spring", "shoe", "many"}, "UNITS"},
      {{"schedule", "spring"}, "--opens-at"},
      {{"reopen", "spring"}, "--accept-loss"},
      {{"replay", "spring", "--file", "/nowhere"}, "--file"},
      {{"demo", "--attempts", "0"}, "--attempts"},
      {{"demo", "--items", "65"}, "from 1 to 64"},
      {{"work", "--within", "soon"}, "--within"},
      {{"status", "spring", "--redis", "http://localhost"}, "--redis"},
      {{"status", "spring", "--timeout", "31s"}, "--timeout"},
      {{"reserve", "spring", "shoe"}, "--buyer"},
      {{"reserve", "spring", "shoe", "--buyer", "a b"}, "buyer"},
      {{"reserve", "spring", "shoe", "--buyer", ""}, "buyer"},
      {{"reserve", "spring", "shoe", "--buyer", "ann", "--request", long_id}, "64"},
      {{"reserve", "spring", "shoe", "--buyer", "ann", "--payload", std::string(1025, 'p')}, "1024"},
      {{"reserve", "spring", "shoe", "--buyer", "ann", "--payload", "@/nowhere"}, "--payload"},
  };
  for (const auto& [arguments, word] : table) {
    const Ended ended = desk.flashsale(arguments);
    CAPTURE(ended.err);
    CHECK(ended.code == 2);
    CHECK(ended.out.empty());
    CHECK(ended.err.rfind("flashsale: invalid_argument: ", 0) == 0);
    CHECK(ended.err.find(word) != std::string::npos);
    CHECK(ended.err.find('\n') == ended.err.size() - 1);

    Arguments with_json = arguments;
    with_json.push_back("--json");
    CHECK(desk.flashsale(with_json).json()["error"] == "invalid_argument");
  }
  CHECK(desk.flashsale({"status", "new"}).code == 4);  // nothing half-done
}

TEST_CASE("a quantity is plain digits, or it is refused by name and bound") {
  const Desk desk;
  create_open(desk);
  for (const std::string quantity :
       {"0", "-1", "nan", "inf", "1e3", "1.0", "+1", " 1", "1 ", "0x1", "", "1000001", "99999999999999999999"}) {
    const Ended ended = desk.flashsale({"reserve", "spring", "shoe", "--buyer", "ann", "--quantity", quantity});
    CAPTURE(quantity);
    CHECK(ended.code == 2);
    CHECK(ended.err.find("--quantity must be a whole number from 1 to 1000000") != std::string::npos);
  }
  CHECK(desk.json({"status", "spring"})["items"]["shoe"]["booked"] == 0);
}

TEST_CASE("no answer is 4, tells its effect, and no secret") {
  const Desk desk;
  const Ended absent = desk.flashsale({"status", "nowhere", "--json"});
  CHECK(absent.code == 4);
  CHECK(absent.json()["error"] == "not_found");
  CHECK(absent.json()["effect"] == "none");

  create_open(desk);
  CHECK(desk.flashsale({"reserve", "spring", "boot", "--buyer", "ann"}).code == 4);
  CHECK(desk.flashsale({"create", "spring", "--item", "shoe=4:2"}).code == 4);
  CHECK(desk.flashsale({"create", "spring", "--item", "shoe=3:2", "--item", "hat=5:1"}).code == 0);

  const Ended gone = desk.flashsale({"reserve", "spring", "shoe", "--buyer", "ann", "--redis",
                                     "redis://me:secret@127.0.0.1:1", "--timeout", "200ms"});
  CHECK(gone.code == 4);
  CHECK((gone.out + gone.err).find("secret") == std::string::npos);
}

TEST_CASE("a request that was made up is told, also with an error") {
  const Desk desk;
  create_open(desk);
  const Ended won = desk.flashsale({"reserve", "spring", "shoe", "--buyer", "ann", "--json"});
  const std::string request = won.json()["request"];
  CHECK(request.size() == 32);
  CHECK(reserve(desk, "ann", request).json()["outcome"] == "already_reserved");
  const Ended none = desk.flashsale({"reserve", "spring", "boot", "--buyer", "ann", "--json"});
  CHECK(none.json()["request"].get<std::string>().size() == 32);
}

TEST_CASE("global options stand before or after the verb, or in the environment") {
  const Desk desk;
  create_open(desk);
  CHECK(desk.flashsale({"--json", "--redis", desk.redis.url(), "status", "spring"}).json()["sale"] == "spring");
  CHECK(desk.flashsale({"status", "--json", "spring", "--redis", desk.redis.url()}).json()["sale"] == "spring");
  CHECK(desk.flashsale({"status", "spring", "--redis", "redis://127.0.0.1:1", "--redis", desk.redis.url()}).code == 0);
  CHECK(desk.flashsale({"--help"}).code == 0);
  CHECK(desk.flashsale({"create", "--help"}).out.find("--hold") != std::string::npos);
  CHECK(desk.json({"version"})["version"] == desk.flashsale({"--version"}).out.substr(10, 5));
}

TEST_CASE("times: RFC 3339 to the ms, or from now by Redis' clock") {
  const Desk desk;
  const auto fixed = desk.json({"create", "a", "--item", "x=1:1", "--opens-at", "2100-03-01T02:00:00.25+02:00"});
  CHECK(fixed["opens_ms"] == 4107542400250);
  const auto later = desk.json({"create", "b", "--item", "x=1:1", "--opens-at", "+1h", "--closes-at", "+2h"});
  const std::int64_t until = later["opens_ms"].get<std::int64_t>() - later["now_ms"].get<std::int64_t>();
  CHECK(until > 3'590'000);
  CHECK(until <= 3'600'000);
  CHECK(later["closes_ms"].get<std::int64_t>() - later["opens_ms"].get<std::int64_t>() == 3'600'000);
  CHECK(desk.json({"schedule", "b", "--opens-at", "+0s", "--closes-at", "never"})["closes_ms"] == 0);

  CHECK(cli::from_rfc3339("1970-01-01T00:00:00Z") == 0);
  CHECK(cli::from_rfc3339("2000-02-29 12:00:00z") == 951825600000);
  CHECK(cli::to_rfc3339(951825600000) == "2000-02-29T12:00:00Z");
  for (const char* const text : {"2001-02-29T12:00:00Z", "2000-13-01T00:00:00Z", "2000-01-01T24:00:00Z", "2000-01-01",
                                 "2000-01-01T00:00:00", "2000-01-01T00:00:00.Z", "2000-01-01T00:00:00Zx"})
    CHECK_FALSE(cli::from_rfc3339(text));
}

TEST_CASE("public facts come back as they were given, and a sale in list mode needs no database") {
  const Desk desk;
  const std::string info =
      desk.write("info.json", R"({"shoe": {"title": "Sch\u00f6n", "price": [1, 2.5]}, "hat": "x"})");
  desk.json({"create", "spring", "--item", "shoe=3:2", "--item", "hat=5:1", "--info", info, "--queue", "list"});
  const auto status = desk.json({"status", "spring"});
  CHECK(status["info"] == Json::parse(desk.read("info.json")));
  CHECK(status["queue"] == "list");
  CHECK(desk.flashsale({"work", "spring", "--drain"}).err.find("BRPOP") != std::string::npos);
  CHECK(desk.flashsale({"work", "spring"}).code == 4);
}

TEST_CASE("work serves until SIGTERM, and refuses the wrong database") {
  const Desk desk;
  create_open(desk);
  const pid_t worker = desk.start("flashsale", {"work", "spring", "--json"});
  CHECK(desk.flashsale(kReserve).code == 0);
  CHECK(eventually([&] { return desk.orders("spring").size() == 1; }));
  kill(worker, SIGTERM);
  const Ended ended = desk.finish(worker);
  CHECK(ended.code == 0);
  CHECK(ended.json()["orders"] == 1);

  CHECK(desk.flashsale(kReserve).code == 0);
  const Ended wrong = desk.flashsale({"work", "spring", "--drain", "--db", desk.folder() + "/other.db"});
  CHECK(wrong.code == 4);
  CHECK(wrong.err.find("other.db") != std::string::npos);
  desk.json({"work", "--drain"});
  CHECK(desk.orders("spring").size() == 2);
}

TEST_CASE("reconcile and reopen go on after Redis was lost") {
  Desk desk;
  create_open(desk);
  CHECK(reserve(desk, "ann", "r1").code == 0);
  desk.json({"work", "--drain"});
  desk.redis.kill_now();
  desk.redis.start();  // empty
  CHECK(desk.flashsale({"status", "spring", "--json"}).json()["error"] == "lost");
  CHECK(desk.json({"reconcile", "spring"})["items"]["shoe"]["booked"] == 1);
  CHECK(reserve(desk, "ann", "r1").json()["outcome"] == "already_reserved");
  CHECK(desk.json({"reopen", "spring", "--accept-loss"})["phase"] == "open");
  // It sells again once every process's knowledge of the refusal has aged.
  CHECK(eventually([&] { return reserve(desk, "bob", "r2").code == 0; }));
}

}  // namespace
}  // namespace flashsale::test
