// replay: a recorded crowd gets, in order, exactly the answers that a second opinion gives.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "program.hpp"

namespace flashsale::test {
namespace {

const std::string kCrowd = std::string(FLASHSALE_SOURCE_DIR) + "/tests/support/crowd/crowd.jsonl.gz";

Json expected() {
  std::ifstream file(std::string(FLASHSALE_SOURCE_DIR) + "/tests/support/crowd/expected.json");
  return Json::parse(file);
}

void create_open(const Desk& desk, const std::string& sale) {
  Arguments arguments = {"create", sale, "--opens-at", "+0s"};
  const Json items = expected()["items"];
  for (const auto& [item, terms] : items.items()) {
    arguments.push_back("--item");
    arguments.push_back(item + "=" + terms["total"].dump() + ":" + terms["limit"].dump());
  }
  desk.json(arguments);
}

std::string line(const std::string& request, const std::string& rest = "") {
  return "{\"request\": \"" + request + "\", \"buyer\": \"" + request + "\", \"item\": \"lamp\"" + rest + "}\n";
}

TEST_CASE("in order, the recorded crowd hears what it must, to the byte; sent again, the same orders") {
  const Desk desk;
  create_open(desk, "crowd");
  const auto report = desk.json({"replay", "crowd", "--file", kCrowd, "--ordered"});
  for (const char* const part : {"attempts", "answers", "booked", "answers_sha256"})
    CHECK(report[part] == expected()[part]);
  CHECK(report["bad_lines"] == 0);
  desk.json({"work", "--drain"});
  CHECK(desk.orders("crowd").size() == expected()["answers"]["reserved"]);

  const auto again = desk.json({"replay", "crowd", "--file", kCrowd, "--ordered"});
  CHECK(again["answers"].count("reserved") == 0);
  CHECK(again["booked"] == expected()["booked"]);
  desk.json({"work", "--drain"});
  CHECK(desk.orders("crowd").size() == expected()["answers"]["reserved"]);
}

TEST_CASE("out of order, every answer still has its row, and nothing is oversold") {
  const Desk desk;
  create_open(desk, "crowd");
  const auto report = desk.json({"replay", "crowd", "--file", kCrowd, "--answers", desk.folder() + "/answers"});
  desk.json({"work", "--drain"});
  CHECK(report["attempts"] == expected()["attempts"]);
  CHECK(report["booked"] == expected()["booked"]);  // the crowd is far larger than the stock
  for (const auto& [item, units] : desk.sold("crowd")) CHECK(report["booked"][item] == units);

  std::map<std::string, std::string> rows;  // order id to buyer
  for (const auto& row : desk.orders("crowd")) rows[to_string(row.order.id)] = row.order.buyer;
  std::set<std::string> told;
  std::size_t count = 0;
  std::istringstream answers(desk.read("answers"));
  for (std::string text; std::getline(answers, text); ++count) {
    std::istringstream fields(text);
    std::string request, buyer, answer, order;
    std::getline(fields, request, '\t');
    std::getline(fields, buyer, '\t');
    std::getline(fields, answer, '\t');
    std::getline(fields, order, '\t');
    CHECK(order.empty() == (answer != "reserved" && answer != "already_reserved"));
    if (order.empty()) continue;
    CHECK(rows[order] == buyer);
    told.insert(order);
  }
  CHECK(count == expected()["attempts"]);
  CHECK(told.size() == rows.size());
}

TEST_CASE("from stdin, plain; a line that is no JSON is named and passed over") {
  const Desk desk;
  create_open(desk, "crowd");
  const std::string input = line("a") + "not json\n\n[1, 2]\n" + line("b") + "{\"request\": \n" +
                            line("c", ", \"quantity\": 2") + line("d", ", \"payload\": {\"any\": [\"json\"]}") +
                            R"({"request": "e", "buyer": "e", "item": "lamp", "quantity": 1})";  // no line end
  const Ended ended = desk.flashsale({"replay", "crowd", "--file", "-", "--ordered", "--json"}, input);
  CHECK(ended.code == 0);
  CHECK(ended.json()["bad_lines"] == 3);
  CHECK(ended.json()["answers"] == Json({{"limit_reached", 1}, {"reserved", 4}}));
  for (const char* const number : {"line 2 ", "line 4 ", "line 6 "}) CHECK(ended.err.find(number) != std::string::npos);
  desk.json({"work", "--drain"});
  CHECK(desk.orders("crowd").at(2).order.payload == R"({"any":["json"]})");
}

TEST_CASE("a file that breaks off is an error, but what it held was sent") {
  const Desk desk;
  create_open(desk, "crowd");
  std::ifstream whole(kCrowd, std::ios::binary);
  std::ostringstream bytes;
  bytes << whole.rdbuf();
  const std::string half = desk.write("half.gz", bytes.str().substr(0, bytes.str().size() / 2));
  const Ended ended = desk.flashsale({"replay", "crowd", "--file", half, "--json"});
  CHECK(ended.code == 4);
  CHECK(ended.json()["attempts"] > 500);
  CHECK(ended.err.find("breaks off") != std::string::npos);
}

TEST_CASE("no sale, no answers file: told before anything is sent") {
  const Desk desk;
  CHECK(desk.flashsale({"replay", "crowd", "--file", kCrowd, "--json"}).json()["error"] == "not_found");
  create_open(desk, "crowd");
  CHECK(desk.flashsale({"replay", "crowd", "--file", kCrowd, "--answers", "/nowhere/answers"}).code == 2);
  CHECK(desk.json({"status", "crowd"})["items"]["lamp"]["booked"] == 0);
}

}  // namespace
}  // namespace flashsale::test
