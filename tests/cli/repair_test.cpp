// audit and dead on the shell, and the same tool over PostgreSQL.
#include <doctest/doctest.h>

#include "program.hpp"
#include "support/private_postgres.hpp"

namespace flashsale::test {
namespace {

/// Two sold, and Redis made to believe in a third.
void oversell(const Desk& desk, PrivateRedis& redis) {
  desk.json({"create", "spring", "--item", "shoe=2:1"});
  desk.json({"open", "spring"});
  redis.command({"HSET", "fs:{spring}:meta", "total:1", "3"});
  for (const char* const buyer : {"ann", "bob", "cid"}) desk.json({"reserve", "spring", "shoe", "--buyer", buyer});
  desk.json({"work", "--drain"});
  redis.command({"HSET", "fs:{spring}:meta", "total:1", "2"});
}

TEST_CASE("dead orders are listed with their reason, retried once their cause is gone, and dropped") {
  Desk desk;
  oversell(desk, desk.redis);
  const auto listed = desk.json({"dead", "list", "spring"})["dead"];
  REQUIRE(listed.size() == 1);
  CHECK(listed[0]["buyer"] == "cid");
  CHECK(listed[0]["reason"] == "OVERSOLD");
  const std::string order = listed[0]["order"];
  const Ended early = desk.flashsale({"dead", "retry", "spring", order});
  CHECK(early.code == 4);
  CHECK(early.err.find("OVERSOLD") != std::string::npos);
  desk.json({"dead", "drop", "spring", order});
  desk.json({"dead", "drop", "spring", order});
  CHECK(desk.json({"dead", "list", "spring"})["dead"][0]["fate"] == "dropped");
  CHECK(desk.json({"status", "spring"})["items"]["shoe"]["booked"] == 2);
  CHECK(desk.flashsale({"dead", "drop", "spring", "one"}).code == 2);
  CHECK(desk.flashsale({"dead"}).code == 2);
}

TEST_CASE("an audit says yes, or 3 with each difference by name, and repairs on request") {
  Desk desk;
  oversell(desk, desk.redis);
  const Ended wrong = desk.flashsale({"audit", "spring", "--json"});
  CHECK(wrong.code == 0);  // the third order is set aside: the sum holds, with one unit owed
  CHECK(wrong.json()["items"]["shoe"]["available"] == -1);
  desk.redis.command({"HSET", "fs:{spring}:meta", "booked:1", "1"});
  const Ended ended = desk.flashsale({"audit", "spring"});
  CHECK(ended.code == 3);
  CHECK(ended.out.find("LEAKED") == std::string::npos);
  CHECK(ended.out.find("OVERSOLD by 2") != std::string::npos);
  const auto repaired = desk.json({"audit", "spring", "--repair"});
  CHECK(repaired["repaired"] == true);
  CHECK(repaired["sound"] == true);
  CHECK(desk.json({"status", "spring"})["items"]["shoe"]["booked"] == 3);
  const auto first = desk.json({"repairs", "spring"})["repairs"];
  REQUIRE(first.size() == 1);
  CHECK(first[0]["done"] == true);
  CHECK(first[0]["by"].get<std::string>().find('@') != std::string::npos);
  CHECK(first[0]["items"]["shoe"]["kind"] == "OVERSOLD");
  CHECK(first[0]["items"]["shoe"]["units"] == 2);
  CHECK(desk.json({"audit", "spring", "--repair"})["repaired"] == false);
  CHECK(desk.json({"repairs", "spring"})["repairs"] == first);

  desk.redis.command({"HDEL", "fs:{spring}:buyers", "ann"});
  CHECK(desk.json({"audit", "spring", "--repair", "--by", "ops-7"})["repaired"] == true);
  const auto both = desk.json({"repairs", "spring"})["repairs"];
  REQUIRE(both.size() == 2);
  CHECK(both[1]["by"] == "ops-7");
  CHECK(both[1]["orders"][0]["buyer"] == "ann");
  CHECK(desk.flashsale({"repairs", "spring"}).out.find("OVERSOLD 1-2.0 of ann, 1 x shoe") != std::string::npos);
  CHECK(desk.flashsale({"audit", "spring", "--repair", "--by", "two words"}).code == 2);
}

TEST_CASE("the demo sells into PostgreSQL, by the URL alone") {
  const Desk desk;
  const std::string url = shared_postgres().fresh_database();
  const auto report = desk.json({"demo", "--countdown", "0", "--units", "50", "--attempts", "4000", "--db", url});
  CHECK(report["right"] == true);
  CHECK(report["persisted"] == report["answers"]["reserved"]);
  const Ended down = desk.flashsale({"status", "spring", "--db", "postgresql://shop:sesame@127.0.0.1:1/orders"});
  CHECK((down.out + down.err).find("sesame") == std::string::npos);
}

}  // namespace
}  // namespace flashsale::test
