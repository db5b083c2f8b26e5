// What may be refused without asking Redis, and above all what may not. Times are the test's own.
#include "core/sale_view.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/winners_filter.hpp"

using namespace flashsale;
using namespace flashsale::core;

namespace {

constexpr std::int64_t kAsked = 1'000'000;  // when the reply's request was sent
const std::string kSale = "spring";

SaleTerms terms() {
  SaleTerms t(kSale);
  t.epoch = "2";
  t.uuid = "u";
  t.items = {"shoe", "hat"};
  t.limits = {2, 5};
  return t;
}

/// A reply at position 2-9: the shoe is sold out since 2-7, the hat sells.
BatchReply reply() {
  BatchReply r;
  r.now_ms = 5'000;
  r.at = {2, 9};
  r.left = {0, 4};
  r.sold_seq = {7, 8};
  r.reopen_ms = {0, 0};
  r.probe_ms = 50;
  return r;
}

std::string filter_of(const std::vector<std::string>& buyers, Position at) {
  WinnersFilter filter(buyers.size());
  for (const auto& buyer : buyers) filter.add(buyer);
  return filter.publish(at);
}

Call call(std::string_view buyer, std::string_view item = "shoe", std::uint32_t quantity = 1) {
  return {SaleId{kSale}, ItemId{item}, BuyerId{buyer}, RequestId{"r1"}, quantity};
}

/// The refusal, if that is what the view advises.
std::optional<Answer> refuse(SaleView& view, const Call& c, std::int64_t now) {
  Answer answer;
  if (view.advise(c, now, answer) != Advice::refuse) return std::nullopt;
  return answer;
}

Advice advice(SaleView& view, const Call& c, std::int64_t now) {
  Answer answer;
  return view.advise(c, now, answer);
}

/// A view that heard `r` and has the filter of the winner ann, covering `covers`.
struct Informed {
  explicit Informed(const BatchReply& r, Position covers = {2, 9}) {
    hear(r, kAsked);
    view.put_filter(kSale, filter_of({"ann"}, covers));
  }
  void hear(const BatchReply& r, std::int64_t asked_at) {
    for (std::size_t i = 0; i < 2; ++i) view.learn(kSale, terms().items[i], news_of(r, terms(), i, asked_at));
  }
  std::optional<Answer> ask(const Call& c, std::int64_t now = kAsked + 1) { return refuse(view, c, now); }
  SaleView view;
};

BatchReply standing(char letter) {
  BatchReply r = reply();
  r.left = {4, 4};
  r.standing = letter;
  return r;
}

}  // namespace

TEST_SUITE("core/sale_view") {
  TEST_CASE("a loser of a sold-out item is refused, and the item that sells is not looked at") {
    Informed informed(reply());
    const auto refused = informed.ask(call("bob"));
    REQUIRE(refused);
    CHECK(refused->outcome == Outcome::sold_out);
    CHECK(refused->remaining == 0);
    CHECK_FALSE(refused->order);
    CHECK_FALSE(informed.ask(call("bob", "hat")));
    CHECK_FALSE(informed.ask(call("bob", "sock")));
  }

  TEST_CASE("a winner hears of his own order: he goes to Redis") { CHECK_FALSE(Informed(reply()).ask(call("ann"))); }

  TEST_CASE("without a filter nobody is refused") {
    SaleView view;
    view.learn(kSale, "shoe", news_of(reply(), terms(), 0, kAsked));
    CHECK_FALSE(refuse(view, call("bob"), kAsked + 1));
  }

  TEST_CASE("while the filter does not cover the sell-out, all who ask wait for common moments, winners too") {
    Informed informed(reply(), {2, 6});
    CHECK(advice(informed.view, call("bob"), kAsked + 1) == Advice::wait);
    CHECK(advice(informed.view, call("ann"), kAsked + 1) == Advice::wait);
    CHECK(advice(informed.view, call("bob", "hat"), kAsked + 1) == Advice::ask);
    CHECK(advice(informed.view, call("bob"), kAsked + 50) == Advice::ask);  // nothing is known any more
    informed.view.put_filter(kSale, filter_of({"ann"}, {2, 7}));
    CHECK(advice(informed.view, call("bob"), kAsked + 2) == Advice::refuse);
    CHECK(advice(informed.view, call("ann"), kAsked + 2) == Advice::ask);
    CHECK(next_common_moment(39) == 40);
    CHECK(next_common_moment(40) == 60);
  }

  TEST_CASE("a filter that does not come is waited for two seconds after each sell-out, not for ever") {
    Informed informed(reply(), {2, 6});
    const auto advised = [&](std::int64_t after) {
      informed.hear(reply(), kAsked + after);
      return advice(informed.view, call("bob"), kAsked + after);
    };
    CHECK(advised(1999) == Advice::wait);
    CHECK(advised(2000) == Advice::ask);
    BatchReply restocked = reply();
    restocked.left[0] = 1;
    informed.hear(restocked, kAsked + 2100);
    CHECK(advised(2200) == Advice::wait);
    CHECK(advised(4200) == Advice::ask);
    BatchReply sold_again = reply();  // by others: this process never heard of the unit
    ++sold_again.sold_seq[0];
    informed.hear(sold_again, kAsked + 4300);
    CHECK(advice(informed.view, call("bob"), kAsked + 4301) == Advice::wait);
  }

  TEST_CASE("a sold-out item needs a filter that covers what sold it last, and no more") {
    CHECK_FALSE(Informed(reply(), {2, 6}).ask(call("bob")));
    CHECK(Informed(reply(), {2, 7}).ask(call("bob")));
  }

  TEST_CASE("a filter of another epoch is worth nothing, also one of a later epoch") {
    CHECK_FALSE(Informed(reply(), {1, 900}).ask(call("bob")));
    CHECK_FALSE(Informed(reply(), {3, 900}).ask(call("bob")));
    Informed informed(reply());
    REQUIRE(informed.ask(call("bob")));
    informed.view.put_filter(kSale, filter_of({}, {3, 0}));
    CHECK_FALSE(informed.ask(call("bob")));
  }

  TEST_CASE("an older filter does not replace a newer one, and what is no filter replaces none") {
    Informed informed(reply());
    informed.view.put_filter(kSale, filter_of({}, {2, 8}));
    informed.view.put_filter(kSale, "nonsense");
    informed.view.put_filter(kSale, filter_of({}, {2, 30}).substr(0, 40));
    CHECK(informed.view.covered(kSale) == Position{2, 9});
    CHECK_FALSE(informed.ask(call("ann")));
  }

  TEST_CASE("a quantity above the limit is limit_reached, which Redis says") {
    Informed informed(reply());
    CHECK(informed.ask(call("bob", "shoe", 2)));
    CHECK_FALSE(informed.ask(call("bob", "shoe", 3)));
  }

  TEST_CASE("a refusal is true for probe_ms, from before its request was sent") {
    Informed informed(reply());
    CHECK(informed.ask(call("bob"), kAsked + 24));
    CHECK_FALSE(informed.ask(call("bob"), kAsked + 50));
  }

  TEST_CASE("no refusal outlives the reopening, or the next change of the schedule") {
    BatchReply reopening = reply();
    reopening.reopen_ms[0] = reopening.now_ms + 20;
    const ItemNews soon = news_of(reopening, terms(), 0, kAsked);
    CHECK(soon.true_until == kAsked + 20);
    CHECK(soon.retry_at == kAsked + 20);
    reopening.reopen_ms[0] = reopening.now_ms + 2000;
    CHECK(news_of(reopening, terms(), 0, kAsked).true_until == kAsked + 50);

    BatchReply closing = reply();
    closing.changes_in_ms = 7;
    CHECK(news_of(closing, terms(), 0, kAsked).true_until == kAsked + 7);

    BatchReply opening = standing('w');
    opening.opens_in_ms = opening.changes_in_ms = 3;
    CHECK(news_of(opening, terms(), 0, kAsked).true_until == kAsked + 3);
  }

  TEST_CASE("a restock, a resume and a reopening end the refusal as soon as Redis has said so") {
    Informed sold_out(reply());
    REQUIRE(sold_out.ask(call("bob")));
    BatchReply restocked = reply();
    restocked.left[0] = 3;
    sold_out.hear(restocked, kAsked + 10);
    CHECK_FALSE(sold_out.ask(call("bob"), kAsked + 11));

    Informed paused(standing('p'));
    REQUIRE(paused.ask(call("bob")));
    paused.hear(standing('o'), kAsked + 10);
    CHECK_FALSE(paused.ask(call("bob"), kAsked + 11));
  }

  TEST_CASE("what was asked before does not undo what was asked later") {
    Informed informed(reply());
    BatchReply restocked = reply();
    restocked.left[0] = 3;
    informed.hear(restocked, kAsked + 10);
    informed.hear(reply(), kAsked + 5);  // another lane's reply, read later
    CHECK_FALSE(informed.ask(call("bob"), kAsked + 12));
  }

  TEST_CASE("a replica may end a refusal") {
    Informed informed(reply());
    informed.view.end(kSale, "shoe");
    CHECK_FALSE(informed.ask(call("bob")));
    informed.view.end("autumn", "shoe");
  }

  TEST_CASE("paused, draining, ended and a second not_started need a filter that covers their reply") {
    struct Row {
      char letter;
      Outcome outcome;
      PauseReason reason;
    };
    for (const Row& row :
         {Row{'p', Outcome::paused, PauseReason::operator_paused}, Row{'t', Outcome::paused, PauseReason::draining},
          Row{'e', Outcome::ended, PauseReason::none}, Row{'w', Outcome::not_started, PauseReason::none}}) {
      CAPTURE(row.letter);
      CHECK_FALSE(Informed(standing(row.letter), {2, 8}).ask(call("bob")));
      Informed informed(standing(row.letter), {2, 9});
      const auto refused = informed.ask(call("bob", "hat"));
      REQUIRE(refused);
      CHECK(refused->outcome == row.outcome);
      CHECK(refused->reason == row.reason);
      CHECK_FALSE(informed.ask(call("ann", "hat")));
    }
  }

  TEST_CASE("before the first opening nobody has won, so no filter is needed; after a sale or a reconcile it is") {
    BatchReply first = standing('w');
    first.at = {1, 0};
    first.sold_seq = {0, 0};
    CHECK(news_of(first, terms(), 0, kAsked).needs == Position{});
    SaleView view;
    view.learn(kSale, "shoe", news_of(first, terms(), 0, kAsked));
    CHECK(refuse(view, call("bob"), kAsked + 1)->outcome == Outcome::not_started);

    BatchReply sold = first;
    sold.sold_seq[1] = 3;
    CHECK(news_of(sold, terms(), 0, kAsked).needs == first.at);
    BatchReply rebuilt = first;
    rebuilt.at = {2, 0};
    CHECK(news_of(rebuilt, terms(), 0, kAsked).needs == rebuilt.at);
  }

  TEST_CASE("one caller in half an interval asks for all the others") {
    Informed informed(reply());
    int asked = 0;
    for (std::int64_t now = kAsked; now < kAsked + 50; ++now)
      for (int i = 0; i < 10; ++i) asked += informed.ask(call("bob"), now) ? 0 : 1;
    CHECK(asked == 1);
    informed.hear(reply(), kAsked + 25);
    for (std::int64_t now = kAsked + 25; now < kAsked + 75; ++now) asked += informed.ask(call("bob"), now) ? 0 : 1;
    CHECK(asked == 2);
  }

  TEST_CASE("a winner or a large order is not taken for the probe") {
    Informed informed(reply());
    CHECK_FALSE(informed.ask(call("ann"), kAsked + 30));
    CHECK_FALSE(informed.ask(call("bob", "shoe", 3), kAsked + 30));
    CHECK_FALSE(informed.ask(call("bob"), kAsked + 30));  // this one is
    CHECK(informed.ask(call("bob"), kAsked + 30));
  }

  TEST_CASE("ids are compared whole: ab and c are not a and bc") {
    SaleView view;
    const ItemNews news = news_of(reply(), terms(), 0, kAsked);
    view.learn("ab", "c", news);
    view.put_filter("ab", filter_of({}, {2, 9}));
    const auto ask = [&](std::string_view sale, std::string_view item) {
      return refuse(view, {SaleId{sale}, ItemId{item}, BuyerId{"bob"}, RequestId{"r"}}, kAsked + 1).has_value();
    };
    CHECK(ask("ab", "c"));
    CHECK_FALSE(ask("a", "bc"));
    CHECK_FALSE(ask("abc", ""));
  }

  TEST_CASE("however many sales and items there are, only what is known is refused, and by its own filter") {
    SaleView view;
    const ItemNews news = news_of(reply(), terms(), 0, kAsked);
    const auto sale_name = [](int i) { return "sale-" + std::to_string(i); };
    for (int i = 0; i < 600; ++i) {
      view.learn(sale_name(i), "shoe", news);
      view.put_filter(sale_name(i), filter_of({"winner-of-" + sale_name(i)}, {2, 9}));
    }
    int known = 0;
    for (int i = 0; i < 600; ++i) {
      const std::string sale = sale_name(i), winner = "winner-of-" + sale;
      const auto ask = [&](const std::string& buyer) {
        return refuse(view, {SaleId{sale}, ItemId{"shoe"}, BuyerId{buyer}, RequestId{"r"}}, kAsked + 1).has_value();
      };
      known += ask("bob") ? 1 : 0;
      CHECK_FALSE(ask(winner));
    }
    CHECK(known >= 200);
    CHECK(refuse(view, {SaleId{sale_name(599)}, ItemId{"shoe"}, BuyerId{"bob"}, RequestId{"r"}}, kAsked + 1));
  }

  TEST_CASE("while a writer writes, no reader hears of a winner's item as sold out, nor one item's news as another's") {
    SaleView view;
    const ItemNews sold_out = news_of(reply(), terms(), 0, kAsked), paused = news_of(standing('p'), terms(), 0, kAsked);
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    for (int t = 0; t < 2; ++t) {
      readers.emplace_back([&] {
        while (!stop) {
          const auto hat = refuse(view, call("bob", "hat"), kAsked + 1);
          const auto shoe = refuse(view, call("bob", "shoe"), kAsked + 1);
          if (hat && hat->outcome != Outcome::paused) ++wrong;
          if (shoe && (shoe->outcome != Outcome::sold_out || shoe->reason != PauseReason::none)) ++wrong;
          if (refuse(view, call("ann"), kAsked + 1)) ++wrong;
        }
      });
    }
    for (std::uint64_t i = 1; i < 1000; ++i) {
      view.learn(kSale, "shoe", sold_out);
      view.learn(kSale, "hat", paused);
      std::vector<std::string> winners(i % 7 == 0 ? 4000 : 1, "ann");  // the room changes now and then
      view.put_filter(kSale, filter_of(winners, {2, 9 + i}));
      const std::string other = "other-" + std::to_string(i);
      view.learn(other, "shoe", sold_out);  // drives items and filters out
    }
    stop = true;
    for (auto& reader : readers) reader.join();
    CHECK(wrong == 0);
  }
}
