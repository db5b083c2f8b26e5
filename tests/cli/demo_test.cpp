// demo: right where the sale was, and wrong, by name, where one row or answer is not as it must be.
#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>

#include "demo_check.hpp"
#include "program.hpp"

namespace flashsale::test {
namespace {

const Arguments kSmall = {"demo", "--countdown", "0", "--units", "50", "--attempts", "4000", "--seed", "7"};

Arguments with(Arguments arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST_CASE("a demo sells out, is right, and leaves Redis as it was") {
  Desk desk;
  const auto report = desk.json(kSmall);
  CHECK(report["right"] == true);
  CHECK(report["attempts"] == 4000);
  CHECK(report["units"] == Json({{"item-1", 50}, {"item-2", 50}, {"item-3", 50}}));
  CHECK(report["booked"] == report["units"]);
  CHECK(report["persisted"] == desk.orders(report["sale"]).size());
  CHECK(report["persisted"] == report["answers"]["reserved"]);
  CHECK(report["answers"]["sold_out"] > 1000);
  for (const char* const wrong : {"oversold", "lost", "doubled", "over_limit"}) CHECK(report[wrong] == 0);
  CHECK(report["accepted_per_s"] > 0);
  CHECK(desk.redis.command({"DBSIZE"}).integer == 0);
}

TEST_CASE("demos share a database; one that is kept can be looked at") {
  const Desk desk;
  CHECK(desk.json(kSmall)["right"] == true);
  const auto kept = desk.json(with(kSmall, {"--keep", "--items", "1", "--lanes", "4"}));
  CHECK(kept["right"] == true);
  CHECK(desk.json({"status", kept["sale"]})["items"]["item-1"]["booked"] == 50);
  const Ended plain = desk.flashsale({"demo", "--countdown", "1", "--units", "50", "--attempts", "4000"});
  CHECK(plain.code == 0);
  CHECK(plain.out.find("opens in 1 s") != std::string::npos);
  CHECK(plain.out.find("RIGHT") != std::string::npos);
}

TEST_CASE("a demo that is told to stop checks what it sold") {
  const Desk desk;
  const pid_t pid = desk.start("flashsale", {"demo", "--countdown", "0", "--attempts", "10000000", "--json"});
  const std::string chatter = std::to_string(pid) + ".err";
  CHECK(eventually([&] { return desk.read(chatter).find("reserved") != std::string::npos; }));
  kill(pid, SIGINT);
  const Ended ended = desk.finish(pid);
  CHECK(ended.code == 0);
  CHECK(ended.json()["right"] == true);
  CHECK(ended.json()["attempts"] < 10'000'000);
}

/// Two orders in a database, the answers that belong to them, and Redis' count of them.
struct Checked {
  Checked() {
    size.sale = "demo";
    size.items = 1;
    size.units = 4;
    SaleRow row;
    row.sale = "demo";
    row.items = {{"item-1", 10, 10, 0}};
    auto writing = sink->begin(OrderSink::Access::write, Deadline::clock::now() + milliseconds{10'000}).value();
    writing->put_sale(row).value();
    const std::vector<Order> orders = {{{{1, 1}, 0}, "buyer-0", "item-1", 1, "click-0", ""},
                                       {{{1, 1}, 1}, "buyer-1", "item-1", 1, "click-1", ""}};
    writing->insert_orders(SaleId{"demo"}, orders.data(), orders.size()).value();
    writing->commit().value();
    for (std::uint32_t i = 0; i < 2; ++i) {
      cli::DemoAttempt attempt;
      attempt.buyer = i;
      attempt.request = i;
      attempt.code = static_cast<std::int32_t>(Outcome::reserved);
      attempt.order = {{1, 1}, i};
      attempts.push_back(attempt);
    }
    status.items = {{"item-1", 4, 2, 1}};
  }
  void insert(Order order) {
    auto writing = sink->begin(OrderSink::Access::write, Deadline::clock::now() + milliseconds{10'000}).value();
    writing->insert_orders(SaleId{"demo"}, &order, 1).value();
    writing->commit().value();
    status.items[0].booked += order.quantity;
  }
  cli::Verdict verdict() { return cli::check(size, attempts, status, *sink); }

  Desk desk;
  std::shared_ptr<OrderSink> sink = make_sink(desk.db()).value();
  cli::DemoSize size;
  std::vector<cli::DemoAttempt> attempts;
  SaleStatus status;
};

TEST_CASE("the check finds whatever is wrong, and nothing where nothing is") {
  Checked demo;
  CHECK(demo.verdict().right());
  CHECK(demo.verdict().persisted == 2);
  CHECK(demo.verdict().booked["item-1"] == 2);

  SUBCASE("the same order told twice is no wrong") {
    demo.attempts.push_back(demo.attempts[0]);
    demo.attempts.back().code = static_cast<std::int32_t>(Outcome::already_reserved);
    CHECK(demo.verdict().right());
    CHECK(demo.verdict().booked["item-1"] == 2);
  }
  SUBCASE("an order that was told, and is not there") {
    demo.attempts[1].order.index = 7;
    CHECK(demo.verdict().lost == 1);
  }
  SUBCASE("an order that is there with another quantity than was told") {
    demo.attempts[1].quantity = 2;
    CHECK(demo.verdict().lost == 1);
  }
  SUBCASE("two orders told for one request") {
    demo.attempts[1].buyer = 0;
    demo.attempts[1].request = 0;
    CHECK(demo.verdict().doubled == 1);
  }
  SUBCASE("a row that nobody was told of, unless its answer is unknown") {
    demo.attempts[1].code = static_cast<std::int32_t>(Outcome::sold_out);
    CHECK(demo.verdict().unexplained == 1);
    demo.attempts[1].code = static_cast<std::int32_t>(ErrorCode::timed_out);
    demo.attempts[1].effect = Effect::unknown;
    CHECK(demo.verdict().right());
  }
  SUBCASE("more units than there were") {
    demo.insert({{{1, 2}, 0}, "buyer-5", "item-1", 3, "click-5", ""});
    CHECK(demo.verdict().oversold == 1);
  }
  SUBCASE("a buyer with more than the limit") {
    demo.insert({{{1, 2}, 0}, "buyer-0", "item-1", 1, "click-5", ""});
    CHECK(demo.verdict().over_limit == 1);
  }
  SUBCASE("Redis and the database count differently") {
    demo.status.items[0].booked = 3;
    CHECK(demo.verdict().adrift == 1);
  }
}

}  // namespace
}  // namespace flashsale::test
