// The checker itself: a sound night passes, and each invariant, broken alone, is named.
#include "faults/history/checker.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>

using namespace flashsale;
using namespace flashsale::history;

namespace {

constexpr std::int64_t kMs = 1'000'000;

Op asked(Verb verb, const std::string& buyer, std::int64_t at_ms) {
  Op op;
  op.verb = verb;
  op.buyer = buyer;
  op.request = "click";
  op.item = verb == Verb::reserve ? "shoe" : "-";
  op.quantity = 1;
  op.from_ns = at_ms * kMs;
  return op;
}

Op heard(Op op, Outcome outcome, OrderId order, Level reached = Level::primary) {
  op.end = Op::End::answer;
  op.until_ns = op.from_ns + kMs;
  op.outcome = outcome;
  op.order = order;
  op.reached = reached;
  return op;
}

OrderId order(std::uint64_t seq) { return {{1, seq}, 0}; }

OrderRow row(const std::string& buyer, std::uint64_t seq, OrderState state) {
  OrderRow stored;
  stored.order.id = order(seq);
  stored.order.buyer = buyer;
  stored.order.item = "shoe";
  stored.order.quantity = 1;
  stored.order.request = "click";
  stored.state = state;
  return stored;
}

/// Three units. Ann buys one and pays at level `database`, bob buys one and gives it back, eve's call was cut short but
/// won, and the last unit is left.
Night sound_night() {
  Night night;
  night.first_totals = {{"shoe", 3}};
  night.row.buyer_orders_max = 16;
  night.row.watermark = night.redis_at = night.redis_watermark = {1, 9};
  night.row.items = {{"shoe", 3, 1, 2}};
  night.redis_items = {{"shoe", {3, 2}}};
  night.orders = {row("ann", 1, OrderState::confirmed), row("bob", 2, OrderState::released),
                  row("eve", 5, OrderState::reserved)};
  night.redis_orders = {
      {order(1), {"ann", "click", 'c'}}, {order(2), {"bob", "click", 'd'}}, {order(5), {"eve", "click", 'r'}}};
  night.ops = {heard(asked(Verb::reserve, "ann", 10), Outcome::reserved, order(1)),
               heard(asked(Verb::confirm, "ann", 20), Outcome::confirmed, order(1), Level::database),
               heard(asked(Verb::reserve, "bob", 30), Outcome::reserved, order(2)),
               heard(asked(Verb::release, "bob", 40), Outcome::released, order(2)), asked(Verb::reserve, "eve", 50)};
  return night;
}

void breaks(const char* invariant, const std::function<void(Night&)>& harm) {
  Night night = sound_night();
  harm(night);
  const Verdict verdict = check(night);
  CHECK_MESSAGE(verdict.has(invariant), std::string(invariant) << " was not named");
}

}  // namespace

TEST_SUITE("faults/history/checker") {
  TEST_CASE("a sound night has no violation, and is counted") {
    const Verdict verdict = check(sound_night());
    CHECK(verdict.violations.empty());
    CHECK(verdict.calls == 5);
    CHECK(verdict.accepted == 2);
    CHECK(verdict.left_open == 1);
    CHECK(verdict.forgotten == 0);
  }

  TEST_CASE("each invariant that is broken is named") {
    breaks("I1", [](Night& night) { night.row.items[0].total = 1; });
    breaks("I1", [](Night& night) { night.row.items[0].sold = 3; });
    breaks("I2", [](Night& night) { night.orders.erase(night.orders.begin()); });
    breaks("I2", [](Night& night) { night.orders[0].order.buyer = "bob2"; });
    breaks("I3", [](Night& night) { night.ops.pop_back(); });
    breaks("I3", [](Night& night) {
      night.ops.back() = heard(night.ops.back(), Outcome::sold_out, {});
      night.first_totals["shoe"] = 0;
    });
    breaks("I4", [](Night& night) {
      night.ops.push_back(heard(asked(Verb::reserve, "max", 60), Outcome::reserved, order(1)));
    });
    breaks("I4", [](Night& night) {
      night.ops.push_back(heard(asked(Verb::resolve, "ann", 60), Outcome::already_confirmed, order(5)));
    });
    breaks("I4", [](Night& night) { night.journal_defect = "1-9 follows 1-7"; });
    breaks("I5", [](Night& night) { night.row.items[0].limit = 0; });
    breaks("I5", [](Night& night) { night.row.buyer_orders_max = 0; });
    breaks("I5", [](Night& night) { night.dead.push_back({night.orders[0].order, "OVER_LIMIT", {}}); });
    breaks("I6", [](Night& night) {
      night.ops.push_back(heard(asked(Verb::resolve, "ann", 60), Outcome::not_reserved, {}));
    });
    breaks("I6", [](Night& night) { night.orders[0].state = OrderState::expired; });
    breaks("I7", [](Night& night) { night.redis_items["shoe"].booked = 3; });
    breaks("I7", [](Night& night) { night.redis_orders.erase(order(5)); });
    breaks("I7", [](Night& night) { night.redis_watermark = {1, 8}; });
    breaks("I9", [](Night& night) {
      night.ops.push_back(heard(asked(Verb::reserve, "max", 60), Outcome::reserved, {{1, 1}, 1}));
      night.orders.push_back(row("max", 1, OrderState::reserved));
      night.orders.back().order.id.index = 1;
    });
    breaks("I10", [](Night& night) {
      night.first_totals["shoe"] = 30;
      night.ops.push_back(heard(asked(Verb::reserve, "max", 60), Outcome::sold_out, {}));
    });
    breaks("I11", [](Night& night) { night.shut.push_back({29 * kMs, 32 * kMs}); });
    breaks("I11", [](Night& night) {
      night.ops.push_back(heard(asked(Verb::reserve, "max", 60), Outcome::not_started, {}));
      night.ops.back().retry_after_ms = 3'600'000;
    });
    breaks("I12", [](Night& night) { night.orders[0].order.quantity = 2; });
    breaks("I13", [](Night& night) { night.orders[1].credited = false; });
    breaks("I13", [](Night& night) { night.complaints.emplace_back("I13 nothing is sold"); });
  }

  TEST_CASE("an order that a primary told which was one no more is forgotten, and not out of turn") {
    Night night = sound_night();
    night.forgot_primary = true;
    night.ops.push_back(heard(asked(Verb::reserve, "max", 60), Outcome::reserved, {{1, 1}, 1}));
    const Verdict verdict = check(night);
    CHECK(verdict.violations.empty());
    CHECK(verdict.forgotten == 1);
  }

  TEST_CASE("what a fault may forget is counted at that level, and a violation above it") {
    const auto lost_at = [](Level level, bool primary, bool all) {
      Night night = sound_night();
      night.forgot_primary = primary;
      night.forgot_all = all;
      night.ops.push_back(heard(asked(Verb::reserve, "max", 60), Outcome::reserved, order(7), level));
      const Verdict verdict = check(night);
      CHECK(verdict.has("I2") == (verdict.forgotten == 0));
      return verdict.forgotten == 1;
    };
    CHECK_FALSE(lost_at(Level::primary, false, false));
    CHECK(lost_at(Level::primary, true, false));
    CHECK_FALSE(lost_at(Level::replicas, true, false));
    CHECK(lost_at(Level::replicas, true, true));
    CHECK_FALSE(lost_at(Level::database, true, true));
  }

  TEST_CASE("a history cut off at any byte reads, and what was not answered is open") {
    const std::string path =
        (std::filesystem::temp_directory_path() / ("flashsale-history-" + std::to_string(getpid()))).string();
    Call call{SaleId{"spring"}, ItemId{"shoe"}, BuyerId{"ann"}, RequestId{"click"}};
    std::remove(path.c_str());
    {
      Writer writer(path);
      const auto first = writer.invoked(call);
      const auto second = writer.invoked(call);
      Answer answer;
      answer.outcome = Outcome::reserved;
      answer.order = order(3);
      writer.heard(first, answer);
      writer.heard(second, fail(ErrorCode::timed_out, "", Effect::unknown));
    }
    const auto whole = read_history(path, 4);
    REQUIRE(whole.size() == 2);
    CHECK(whole[0].client == 4);
    CHECK(whole[0].heard(Outcome::reserved));
    CHECK(whole[0].order == order(3));
    CHECK(whole[1].effect == Effect::unknown);
    CHECK_FALSE(whole[1].says_no());
    for (auto size = std::filesystem::file_size(path); size > 0; --size) {
      std::filesystem::resize_file(path, size - 1);
      for (const Op& op : read_history(path, 0)) CHECK((op.end != Op::End::open || op.until_ns == kNever));
    }
    CHECK(read_history(path, 0).empty());
    std::remove(path.c_str());
  }
}
