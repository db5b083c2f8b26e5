// beat.lua and give_back.lua: the consumers of a list.
#include <doctest/doctest.h>

#include "lua/scripted_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

struct Consumers {
  const core::Keys keys{fmt::format("list-{}", ++count)};
  inline static int count = 0;

  void push(int orders) const {
    for (int i = 1; i <= orders; ++i) redis().command({"LPUSH", keys.orders, std::to_string(i)});
  }
  void take(int orders) const {
    for (int i = 0; i < orders; ++i) redis().command({"LMOVE", keys.orders, keys.taken("ann"), "RIGHT", "LEFT"});
  }
  void last_beat(const std::string& ms) const { redis().command({"ZADD", keys.consumers, ms, "ann"}); }
  bool is_known() const { return redis().command({"ZSCORE", keys.consumers, "ann"}).type == Reply::Type::text; }
  Reply beat() const { return run_lua("beat", {keys.consumers}, {"n", "ann"}); }
  Reply give_back(const std::string& silence) const {
    return run_lua("give_back", {keys.consumers, keys.orders, keys.taken("ann")}, {"n", "ann", silence});
  }
  std::vector<std::string> in_the_order_of_taking() const {
    std::vector<std::string> texts;
    const auto elements = redis().command({"LRANGE", keys.orders, "0", "-1"}).elements;
    for (auto element = elements.rbegin(); element != elements.rend(); ++element) texts.push_back(element->text);
    return texts;
  }
};

}  // namespace

TEST_CASE("beat.lua enters the consumer with Redis' time") {
  const Consumers consumers;
  const Reply reply = consumers.beat();
  CHECK(verdict(reply) == "ok");
  CHECK(redis().command({"ZSCORE", consumers.keys.consumers, "ann"}).text ==
        std::to_string(reply.elements.at(2).integer));
}

TEST_CASE("give_back.lua returns what a silent consumer took, the oldest to be taken first again") {
  const Consumers consumers;
  consumers.push(4);
  consumers.take(3);
  consumers.last_beat("1");
  const Reply reply = consumers.give_back("1000");
  CHECK(verdict(reply) == "ok");
  CHECK(reply.elements.at(2).integer == 3);
  CHECK(reply.elements.at(3).integer == 0);
  CHECK(consumers.in_the_order_of_taking() == std::vector<std::string>{"1", "2", "3", "4"});
  CHECK_FALSE(consumers.is_known());
}

TEST_CASE("give_back.lua leaves a consumer alone that beat lately") {
  const Consumers consumers;
  consumers.push(1);
  consumers.take(1);
  consumers.beat();
  CHECK(verdict(consumers.give_back("86400000")) == "alive");
  CHECK(redis().command({"LLEN", consumers.keys.taken("ann")}).integer == 1);
  consumers.last_beat("99999999999999");  // the server's clock was set back
  CHECK(verdict(consumers.give_back("1")) == "alive");
}

TEST_CASE("give_back.lua asked by the consumer itself returns everything, whatever the clock says") {
  const Consumers consumers;
  consumers.push(1);
  consumers.take(1);
  consumers.last_beat("99999999999999");
  CHECK(verdict(consumers.give_back("0")) == "ok");
  CHECK(consumers.in_the_order_of_taking() == std::vector<std::string>{"1"});
  CHECK_FALSE(consumers.is_known());
}

TEST_CASE("give_back.lua forgets nobody who may still be waiting for an order") {
  const Consumers consumers;
  const auto beat = consumers.beat().elements.at(2).integer;
  consumers.last_beat(std::to_string(beat - 5'000));
  CHECK(verdict(consumers.give_back("1")) == "ok");
  CHECK(consumers.is_known());
  consumers.last_beat(std::to_string(beat - 10'000));
  CHECK(verdict(consumers.give_back("1")) == "ok");
  CHECK_FALSE(consumers.is_known());
}

TEST_CASE("give_back.lua moves 500 at a time, says that there are more, and keeps the consumer until the last") {
  const Consumers consumers;
  consumers.push(501);
  consumers.take(501);
  consumers.last_beat("1");
  const Reply first = consumers.give_back("1000");
  CHECK(first.elements.at(2).integer == 500);
  CHECK(first.elements.at(3).integer == 1);
  CHECK(consumers.is_known());
  CHECK(consumers.give_back("1000").elements.at(2).integer == 1);
  CHECK(consumers.in_the_order_of_taking().front() == "1");
  CHECK(consumers.in_the_order_of_taking().back() == "501");
  CHECK_FALSE(consumers.is_known());
}

TEST_CASE("give_back.lua takes no silence that is no number") {
  const Consumers consumers;
  for (const std::string silence : {"nan", "", "-1", "1e3", "inf"}) {
    INFO(silence);
    CHECK(verdict(consumers.give_back(silence)).find("FLASHSALE ARGV") != std::string::npos);
  }
}
