// reserve.lua against a model of forty lines, with a random crowd in batches of random sizes.
#include <doctest/doctest.h>

#include <cstdlib>

#include "core/journal_codec.hpp"
#include "lua/scripted_sale.hpp"
#include "support/sale_model.hpp"
#include "util/random.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

struct Attempt {
  std::string buyer, request, item, payload;
  std::uint32_t quantity = 1;
};

/// Few buyers, requests and units, so that everything meets everything: repeats, conflicts, limits, the last units.
Attempt random_attempt(util::Random& random) {
  static const std::vector<std::string> strange{"", " ", "a b", "{x}", "#", "n\n1", std::string(65, 'x')};
  const auto pick = [&](const std::string& stem, std::uint64_t kinds) {
    if (random.below(200) == 0) return strange[random.below(strange.size())];
    return stem + std::to_string(random.below(kinds));
  };
  Attempt attempt{pick("buyer-", 120), pick("r", 30), "", "", static_cast<std::uint32_t>(1 + random.below(3))};
  attempt.item = random.below(50) == 0 ? "none" : "item-" + std::to_string(1 + random.below(13));
  if (random.below(100) == 0) attempt.quantity = random.below(2) == 0 ? 0 : 1'000'001;
  for (auto bytes = random.below(12); bytes > 0; --bytes) attempt.payload.push_back(static_cast<char>(random.next()));
  return attempt;
}

ScriptedTerms crowd_terms(util::Random& random, QueueMode queue) {
  ScriptedTerms terms;
  terms.items.clear();
  for (int i = 1; i <= 13; ++i)
    terms.items.push_back({fmt::format("item-{}", i), static_cast<std::int64_t>(random.below(150)),
                           static_cast<std::int64_t>(1 + random.below(6))});
  terms.buyer_orders_max = 8;
  terms.queue = queue;
  return terms;
}

/// The orders that left Redis, as the journal or the list has them.
std::vector<Order> handed_over(const ScriptedSale& sale) {
  std::vector<Order> orders;
  if (sale.terms.queue == QueueMode::journal) {
    auto entries = core::read_entries(redis().command({"XRANGE", sale.keys.journal, "-", "+"}));
    for (auto& entry : entries.value())
      for (auto& order : entry.orders) orders.push_back(std::move(order));
  } else {
    for (auto& element : redis().command({"LRANGE", sale.keys.orders, "0", "-1"}).elements)
      orders.push_back(core::read_element(std::move(element.text)).order);
  }
  return orders;
}

void check_handed_over(const ScriptedSale& sale, const SaleModel& model) {
  const auto orders = handed_over(sale);
  CHECK(orders.size() == model.won.size());
  for (const Order& order : orders) {
    const auto won = model.won.find({order.buyer, order.request});
    REQUIRE(won != model.won.end());
    CHECK(won->second.order == order.id);
    CHECK(won->second.item == order.item);
    CHECK(won->second.quantity == order.quantity);
    CHECK(won->second.payload == order.payload);
  }
}

void run_crowd(std::uint64_t seed, QueueMode queue) {
  util::Random random(seed);
  const ScriptedTerms terms = crowd_terms(random, queue);
  ScriptedSale sale(terms);
  std::map<std::string, SaleModel::Item> items;
  for (const auto& item : terms.items) items[item.item] = {item.units, item.limit, 0};
  SaleModel model(std::move(items), static_cast<std::size_t>(terms.buyer_orders_max));
  const auto epoch = std::stoull(sale.terms.epoch);

  for (std::size_t asked_so_far = 0; asked_so_far < 12'000;) {
    std::vector<Attempt> attempts(1 + random.below(random.below(4) == 0 ? 512 : 9));
    std::vector<core::Asked> asked;
    for (Attempt& attempt : attempts) {
      attempt = random_attempt(random);
      asked.push_back({attempt.buyer, attempt.request, attempt.item, attempt.payload, attempt.quantity});
    }
    asked_so_far += asked.size();
    const Position at{epoch, std::stoull(sale.meta("seq")) + 1};
    std::string expected, orders;
    for (std::size_t i = 0; i < asked.size(); ++i) {
      expected += model.decide(asked[i], {at, static_cast<std::uint32_t>(i)});
      if (expected.back() == 'R') orders += to_string(model.won[{attempts[i].buyer, attempts[i].request}].order) + " ";
    }
    const auto reply = sale.reserve(asked);
    REQUIRE(reply.letters == expected);
    std::string found;
    for (const auto& order : reply.found) found += to_string(order.order) + " ";
    REQUIRE(found == orders);
    for (std::size_t i = 0; i < terms.items.size(); ++i) {
      const auto& item = model.items[terms.items[i].item];
      REQUIRE(reply.left[i] == item.total - item.booked);
    }
  }
  check_handed_over(sale, model);
}

std::uint64_t seed_of_this_run() {
  const char* given = std::getenv("FLASHSALE_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : util::random_u64();
}

}  // namespace

TEST_CASE("reserve.lua answers a random crowd as the model does, and hands over exactly what it sold") {
  const auto seed = seed_of_this_run();
  INFO("FLASHSALE_TEST_SEED=" << seed);
  SUBCASE("through the journal") { run_crowd(seed, QueueMode::journal); }
  SUBCASE("through the list") { run_crowd(seed, QueueMode::list); }
}
