// What metrics.hpp counts, and that Prometheus can read it.
#include "flashsale/metrics.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "engine/counters.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/private_redis.hpp"
#include "support/raw_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

const SaleId kSale{"spring"};

/// The value on the line that begins with `series`; -1: there is none.
double value_of(const std::string& text, const std::string& series) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.rfind(series + " ", 0) == 0) return std::stod(line.substr(series.size() + 1));
  return -1;
}

}  // namespace

TEST_SUITE("metrics") {
  TEST_CASE("every answer, error, batch and round trip of a gate is counted once") {
    PrivateRedis redis;
    const auto pool = make_pool(redis.url()).value();
    make_raw_sale(*pool, Sale{kSale}.item(ItemId{"shoe"}, 2, 1));
    const Metrics before = metrics();
    StockGate gate(pool);
    const auto ask = [&](const char* item, const char* buyer, const char* request) {
      return gate.reserve({kSale, ItemId{item}, BuyerId{buyer}, RequestId{request}});
    };
    REQUIRE(ask("shoe", "ann", "1")->outcome == Outcome::reserved);
    REQUIRE(ask("shoe", "ann", "1")->outcome == Outcome::already_reserved);
    REQUIRE(ask("shoe", "ann", "2")->outcome == Outcome::limit_reached);
    REQUIRE(ask("shoe", "bob", "1")->outcome == Outcome::reserved);
    REQUIRE(ask("shoe", "cid", "1")->outcome == Outcome::sold_out);
    REQUIRE(ask("hat", "cid", "1").error().code == ErrorCode::not_found);
    REQUIRE(ask("shoe", "no good", "1").error().code == ErrorCode::invalid_argument);

    const Metrics after = metrics();
    const auto grown = [&](Outcome outcome) { return after.of(outcome) - before.of(outcome); };
    CHECK(grown(Outcome::reserved) == 2);
    CHECK(grown(Outcome::already_reserved) == 1);
    CHECK(grown(Outcome::limit_reached) == 1);
    CHECK(grown(Outcome::sold_out) == 1);
    CHECK(after.of(ErrorCode::not_found, Effect::none) - before.of(ErrorCode::not_found, Effect::none) == 1);
    CHECK(after.of(ErrorCode::invalid_argument, Effect::none) - before.of(ErrorCode::invalid_argument, Effect::none) ==
          1);
    const auto asked = after.batched_requests - before.batched_requests;
    const auto local = after.refused_locally - before.refused_locally;
    CHECK(asked + local == 6);  // the seventh never left
    CHECK(after.batches - before.batches == asked);
    CHECK(after.round_trips - before.round_trips >= after.batches - before.batches);
  }

  TEST_CASE("an error whose effect is unknown is counted apart from one that did nothing") {
    const Metrics before = metrics();
    engine::counters().failed(ErrorCode::timed_out, Effect::unknown);
    engine::counters().failed(ErrorCode::timed_out, Effect::none);
    engine::counters().failed(ErrorCode::timed_out, Effect::none);
    const Metrics after = metrics();
    CHECK(after.of(ErrorCode::timed_out, Effect::unknown) - before.of(ErrorCode::timed_out, Effect::unknown) == 1);
    CHECK(after.of(ErrorCode::timed_out, Effect::none) - before.of(ErrorCode::timed_out, Effect::none) == 2);
  }

  TEST_CASE("counts of many threads add up") {
    const Metrics before = metrics();
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; ++i)
      threads.emplace_back([] {
        for (int j = 0; j < 1000; ++j) engine::counters().answered(Outcome::paused);
      });
    for (auto& thread : threads) thread.join();
    CHECK(metrics().of(Outcome::paused) - before.of(Outcome::paused) == 20'000);
  }

  TEST_CASE("a histogram's buckets are cumulative, and its sum and count are those of what was seen") {
    const std::string before = metrics_text();
    engine::counters().batch_requests.add(1);
    engine::counters().batch_requests.add(2);
    engine::counters().batch_requests.add(500);
    const std::string after = metrics_text();
    const auto grown = [&](const char* series) { return value_of(after, series) - value_of(before, series); };
    CHECK(grown("flashsale_batch_requests_bucket{le=\"1\"}") == 1);
    CHECK(grown("flashsale_batch_requests_bucket{le=\"2\"}") == 2);
    CHECK(grown("flashsale_batch_requests_bucket{le=\"256\"}") == 2);
    CHECK(grown("flashsale_batch_requests_bucket{le=\"512\"}") == 3);
    CHECK(grown("flashsale_batch_requests_bucket{le=\"+Inf\"}") == 3);
    CHECK(grown("flashsale_batch_requests_count") == 3);
    CHECK(grown("flashsale_batch_requests_sum") == 503);
  }

  TEST_CASE("promtool finds nothing wrong with the text") {
    PrivateRedis folder;  // for its folder alone
    const std::string path = folder.dir() + "/metrics.txt";
    const std::string text = metrics_text();
    std::ofstream(path) << text;
    REQUIRE(value_of(text, "flashsale_answers_total{outcome=\"reserved\"}") >= 0);
    std::FILE* const run = popen(("promtool check metrics < " + path + " 2>&1").c_str(), "r");
    REQUIRE(run != nullptr);
    std::string said;
    for (char part[256]; std::fgets(part, sizeof part, run) != nullptr;) said += part;
    CHECK(pclose(run) == 0);
    CHECK(said == "");
  }
}
