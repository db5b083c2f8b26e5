// The local view end to end: a worker publishes who won, gates refuse without Redis, and nobody is told anything that
// Redis would not have said.
#include <doctest/doctest.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/keyspace.hpp"
#include "core/sale_view.hpp"
#include "core/scripts.hpp"
#include "core/winners_filter.hpp"
#include "core/words.hpp"
#include "engine/winners_publisher.hpp"
#include "flashsale/completion_queue.hpp"
#include "flashsale/metrics.hpp"
#include "flashsale/order_worker.hpp"
#include "flashsale/redis.hpp"
#include "flashsale/stock_gate.hpp"
#include "support/running_worker.hpp"
#include "support/served_sale.hpp"

using namespace flashsale;
using namespace flashsale::test;

namespace {

constexpr std::int64_t kLong = 5000;  // probe_ms: longer than any of these tests looks

Call click(const ServedSale& sale, std::string_view buyer, std::string_view item = "shoe",
           std::string_view request = "r1") {
  Call call{SaleId{sale.id}, ItemId{item}, BuyerId{buyer}, RequestId{request}};
  call.timeout = milliseconds{20'000};
  return call;
}

std::int64_t scripts_run(ServedSale& sale) {
  const std::string stats = sale.redis().command({"INFO", "commandstats"}).text;
  const auto at = stats.find("cmdstat_evalsha:calls=");
  return at == std::string::npos ? 0 : std::stoll(stats.substr(at + 22));
}

/// Publishes as a worker does, until all that was sold is covered.
void publish_all(ServedSale& sale) {
  engine::WinnersPublisher publisher(sale.pool, sale.id);
  const core::Keys keys(sale.id);
  REQUIRE(eventually([&] {
    publisher.step(soon());
    const auto header = core::read_filter_header(sale.redis().command({"GET", keys.winners}).text);
    return header && std::to_string(header->at.epoch) == sale.meta("epoch") &&
           std::to_string(header->at.seq) == sale.meta("seq");
  }));
}

/// Asks as `buyer` until Redis is not asked any more.
bool comes_to_refuse(StockGate& gate, ServedSale& sale, std::string_view buyer, std::string_view item = "shoe") {
  return eventually([&] {
    const auto before = scripts_run(sale);
    const auto answer = gate.reserve(click(sale, buyer, item));
    return answer && !answer->holds_stock() && scripts_run(sale) == before;
  });
}

ServedTerms few(std::int64_t probe_ms = kLong) {
  ServedTerms terms;
  terms.items = {{"shoe", 3, 2, 0}, {"hat", 100, 5, 0}};
  terms.probe_ms = probe_ms;
  return terms;
}

}  // namespace

TEST_CASE("once it is published who won, losers are refused without Redis, and winners still hear of their orders") {
  PrivateRedis redis;
  ServedSale sale(redis, few());
  REQUIRE(sale.sell({{"ann", "r1"}, {"bob", "r1"}, {"cid", "r1"}}) == "aaa");
  StockGate gate(sale.pool);
  publish_all(sale);
  REQUIRE(comes_to_refuse(gate, sale, "eve"));

  const auto before = scripts_run(sale);
  for (int i = 0; i < 1000; ++i) {
    const auto refused = gate.reserve(click(sale, "loser-" + std::to_string(i)));
    REQUIRE(refused);
    CHECK(refused->outcome == Outcome::sold_out);
    CHECK(refused->remaining == 0);
  }
  CHECK(scripts_run(sale) - before < 100);  // a probe, and whom the filter suspects

  for (const char* winner : {"ann", "bob", "cid"}) {
    const auto own = gate.reserve(click(sale, winner));
    REQUIRE(own);
    CHECK(own->outcome == Outcome::already_reserved);
    CHECK(own->order);
  }
  CHECK(gate.reserve(click(sale, "eve", "hat"))->outcome == Outcome::reserved);
}

TEST_CASE("a submitted call that is known to be refused yields its event like any other") {
  PrivateRedis redis;
  ServedSale sale(redis, few());
  REQUIRE(sale.sell({{"ann", "r1", 1, 2}, {"bob", "r1"}}) == "aa");
  StockGate gate(sale.pool);
  publish_all(sale);
  REQUIRE(comes_to_refuse(gate, sale, "eve"));

  CompletionQueue queue;
  std::vector<std::string> buyers;
  for (int i = 0; i < 300; ++i) buyers.push_back(i % 100 == 7 ? "ann" : "loser-" + std::to_string(i));
  std::vector<Call> calls;
  for (std::size_t i = 0; i < buyers.size(); ++i) {
    calls.push_back(click(sale, buyers[i]));
    calls.back().quantity = buyers[i] == "ann" ? 2 : 1;
    calls.back().tag = i;
  }
  REQUIRE(gate.submit(calls.data(), calls.size(), queue).value() == calls.size());
  std::map<std::uint64_t, std::int32_t> codes;
  std::vector<Event> events(64);
  REQUIRE(eventually([&] {
    const auto got = queue.drain(events.data(), events.size(), milliseconds{50});
    for (std::size_t i = 0; i < got; ++i) codes[events[i].tag] = events[i].code;
    return codes.size() == calls.size();
  }));
  for (std::size_t i = 0; i < buyers.size(); ++i)
    CHECK(codes[i] == static_cast<int>(buyers[i] == "ann" ? Outcome::already_reserved : Outcome::sold_out));
  CHECK(queue.outstanding() == 0);
}

TEST_CASE("with the view off every call asks Redis") {
  PrivateRedis redis;
  ServedSale sale(redis, few());
  REQUIRE(sale.sell({{"ann", "r1", 1, 2}, {"bob", "r1"}}) == "aa");
  GateOptions options;
  options.view = false;
  StockGate gate(sale.pool, options);
  publish_all(sale);
  gate.reserve(click(sale, "eve")).value();  // which asks for the time and the sale's terms as well
  const auto before = scripts_run(sale);
  for (int i = 0; i < 50; ++i) CHECK(gate.reserve(click(sale, "eve"))->outcome == Outcome::sold_out);
  CHECK(scripts_run(sale) - before == 50);
}

TEST_CASE("units that come back while a process refuses are sold, and to nobody before all have looked again") {
  PrivateRedis redis;
  ServedSale sale(redis, few(400));
  REQUIRE(sale.sell({{"ann", "r1", 1, 2}, {"bob", "r1"}}) == "aa");
  StockGate gate(sale.pool);
  publish_all(sale);
  REQUIRE(comes_to_refuse(gate, sale, "eve"));
  REQUIRE(sale.restock("op-1", 1) == "ok");
  // Whoever asks Redis itself is refused as well as long as anybody may still refuse by what it knew.
  CHECK(sale.sell({{"zoe", "r1"}}) == "s");
  CHECK(eventually([&] { return gate.reserve(click(sale, "eve"))->outcome == Outcome::reserved; }));
}

TEST_CASE("a pause is refused locally, a resume ends that, and another sale's item is not touched by it") {
  PrivateRedis redis;
  ServedSale sale(redis, few(300));
  StockGate gate(sale.pool);
  REQUIRE(gate.reserve(click(sale, "ann"))->outcome == Outcome::reserved);
  REQUIRE(sale.act("pause") == "ok");
  publish_all(sale);
  REQUIRE(comes_to_refuse(gate, sale, "eve", "hat"));
  const auto paused = gate.reserve(click(sale, "eve", "hat"));
  CHECK(paused->outcome == Outcome::paused);
  CHECK(paused->reason == PauseReason::operator_paused);
  CHECK(paused->retry_after_ms > 0);
  CHECK(gate.reserve(click(sale, "ann"))->outcome == Outcome::already_reserved);
  REQUIRE(sale.act("resume") == "ok");
  CHECK(eventually([&] { return gate.reserve(click(sale, "eve", "hat"))->outcome == Outcome::reserved; }));
}

TEST_CASE("before the first opening nobody has won, so not_started needs no filter") {
  PrivateRedis redis;
  ServedTerms terms = few();
  terms.state = SaleState::created;
  ServedSale sale(redis, terms);
  StockGate gate(sale.pool);
  CHECK(gate.reserve(click(sale, "eve"))->outcome == Outcome::not_started);
  CHECK(comes_to_refuse(gate, sale, "eve"));
}

TEST_CASE("until it is published who won, those who ask for what is sold out ask together") {
  PrivateRedis redis;
  ServedSale sale(redis, few());
  REQUIRE(sale.sell({{"ann", "r1", 1, 2}, {"bob", "r1"}}) == "aa");
  StockGate gate(sale.pool);
  REQUIRE(gate.reserve(click(sale, "eve"))->outcome == Outcome::sold_out);
  CompletionQueue queue;
  const auto scripts_before = scripts_run(sale);
  const auto start = std::chrono::steady_clock::now();
  const auto ms_since = [&] { return (std::chrono::steady_clock::now() - start) / milliseconds{1}; };
  std::size_t asked = 0, answered = 0;
  for (; ms_since() < 200; ++asked) {  // a filter that does not come is waited for so long, and longer
    const std::string buyer = asked % 2 == 0 ? "loser-" + std::to_string(asked) : "bob";
    const Call call = click(sale, buyer);
    REQUIRE(gate.submit(&call, 1, queue).value() == 1);
    std::this_thread::sleep_for(milliseconds{1});
  }
  std::vector<Event> events(asked);
  while (answered < asked) {
    const auto count = queue.drain(events.data() + answered, asked - answered, milliseconds{20'000});
    REQUIRE(count > 0);
    answered += count;
  }
  for (const Event& event : events)
    CHECK((event.outcome() == Outcome::sold_out || event.outcome() == Outcome::already_reserved));
  CHECK(scripts_run(sale) - scripts_before <= 2 * (ms_since() / core::kCommonMoments + 2));
}

TEST_CASE("blocking callers who ask together hear what Redis says: losers are refused, winners find their orders") {
  PrivateRedis redis;
  ServedSale sale(redis, few());
  REQUIRE(sale.sell({{"ann", "r1", 1, 2}, {"bob", "r1"}}) == "aa");
  StockGate gate(sale.pool);
  REQUIRE(gate.reserve(click(sale, "eve"))->outcome == Outcome::sold_out);
  std::atomic<int> refused{0}, found{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      const std::string buyer = i % 2 == 0 ? "loser-" + std::to_string(i) : "bob";
      for (int again = 0; again < 5; ++again) {
        const auto answer = gate.reserve(click(sale, buyer));
        if (answer && answer->outcome == Outcome::sold_out) ++refused;
        if (answer && answer->outcome == Outcome::already_reserved) ++found;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  CHECK(refused == 20);
  CHECK(found == 20);
}

TEST_CASE("a gate that is closed answers those who wait to ask together") {
  PrivateRedis redis;
  ServedSale sale(redis, few());
  REQUIRE(sale.sell({{"ann", "r1", 1, 2}, {"bob", "r1"}}) == "aa");
  CompletionQueue queue;
  constexpr std::size_t kCalls = 20;
  {
    StockGate gate(sale.pool);
    REQUIRE(gate.reserve(click(sale, "eve"))->outcome == Outcome::sold_out);
    const std::vector<Call> calls(kCalls, click(sale, "fay"));
    REQUIRE(gate.submit(calls.data(), kCalls, queue).value() == kCalls);
  }
  Event events[kCalls];
  REQUIRE(queue.drain(events, kCalls, milliseconds{0}) == kCalls);
  for (const Event& event : events) {
    const bool refused = event.code == static_cast<std::int32_t>(Outcome::sold_out);
    CHECK((refused || (event.code == static_cast<std::int32_t>(ErrorCode::closed) && event.effect == Effect::none)));
  }
}

TEST_CASE("a running worker publishes by itself, and follows what is sold later") {
  PrivateRedis redis;
  ServedSale sale(redis, few(50));
  REQUIRE(sale.sell({{"ann", "r1", 1, 2}, {"bob", "r1"}}) == "aa");
  RunningWorker worker(sale.pool, sale.sink, {}, {sale.id});
  const core::Keys keys(sale.id);
  const auto covers = [&](const std::string& seq) {
    return eventually([&] {
      const auto header = core::read_filter_header(redis.command({"GET", keys.winners}).text);
      return header && std::to_string(header->at.seq) == seq;
    });
  };
  CHECK(covers(sale.meta("seq")));
  // While only the others go on selling there is nothing to publish; once the sale is shut there is.
  REQUIRE(sale.sell({{"dan", "r1", 2}}) == "a");
  REQUIRE(sale.act("pause") == "ok");
  CHECK(covers(sale.meta("seq")));
  REQUIRE(sale.act("resume") == "ok");
  worker.stop();
  StockGate gate(sale.pool);
  REQUIRE(comes_to_refuse(gate, sale, "eve"));
  const auto dan = gate.reserve(click(sale, "dan"));  // bought a hat by this very request, as only Redis knows
  REQUIRE_FALSE(dan);
  CHECK(dan.error().code == ErrorCode::conflict);
}

TEST_CASE("a scan and the journal give the same filter, also when the journal was trimmed in between") {
  PrivateRedis redis;
  ServedTerms terms = few();
  terms.items = {{"shoe", 2000, 1, 0}};
  ServedSale sale(redis, terms);
  sale.sell_to_crowd("early-", 1500);
  const core::Keys keys(sale.id);
  sale.act("pause");
  engine::WinnersPublisher publisher(sale.pool, sale.id);
  const auto published = [&] {
    std::string text;
    REQUIRE(eventually([&] {
      publisher.step(soon());
      text = redis.command({"GET", keys.winners}).text;
      const auto header = core::read_filter_header(text);
      return header && std::to_string(header->at.seq) == sale.meta("seq");
    }));
    return text;
  };
  const auto missed = [&](const std::string& text, const std::string& prefix, int count) {
    const auto header = core::read_filter_header(text);
    int all = 0;
    for (int i = 0; i < count; ++i) {
      const core::FilterPlace place(prefix + std::to_string(i), header->blocks);
      const char* at = text.data() + header->bytes + place.block * core::kFilterBlockBytes;
      for (std::size_t w = 0; w < core::kFilterBlockWords; ++w)
        if ((core::load_word(at + 8 * w) & place.bit(w)) == 0) {
          ++all;
          break;
        }
    }
    return all;
  };
  CHECK(missed(published(), "early-", 1500) == 0);
  REQUIRE(sale.act("resume") == "ok");
  REQUIRE(eventually([&] { return sale.sell({{"late-0", "r"}}) == "a"; }));
  REQUIRE(sale.act("pause") == "ok");
  CHECK(missed(published(), "late-", 1) == 0);  // from the journal
  REQUIRE(sale.act("resume") == "ok");
  REQUIRE(eventually([&] { return sale.sell({{"late-1", "r"}}) == "a"; }));
  REQUIRE(sale.act("pause") == "ok");
  redis.command({"XTRIM", keys.journal, "MAXLEN", "1"});
  const std::string last = published();  // by a scan
  CHECK(missed(last, "late-", 2) == 0);
  CHECK(missed(last, "early-", 1500) == 0);
}

TEST_CASE("a filter of a sale that is gone or of another epoch is not published") {
  PrivateRedis redis;
  ServedSale sale(redis, few());
  const core::Keys keys(sale.id);
  redis.command({"SCRIPT", "LOAD", core::script("publish").text});
  const auto publish = [&](std::string_view uuid, std::string_view epoch, std::string_view seq) {
    const std::string filter = "1 " + std::string(epoch) + " " + std::string(seq) + " 1\n" + std::string(64, '\0');
    return redis
        .command({"EVALSHA", core::script("publish").sha1, "3", keys.meta, keys.buyers, keys.winners, "n", uuid, epoch,
                  seq, filter})
        .elements.at(1)
        .text;
  };
  const std::string uuid = sale.meta("uuid"), epoch = sale.meta("epoch");
  CHECK(publish(uuid, epoch, "7") == "ok");
  CHECK(publish(uuid, epoch, "6") == "behind");
  CHECK(publish(uuid, epoch, "8") == "ok");
  CHECK(publish(uuid, "99", "9") == "stale");
  CHECK(publish("another", epoch, "9") == "stale");
  redis.command({"HSET", keys.meta, "rec", "2 uuid"});
  CHECK(publish(uuid, epoch, "9") == "stale");
  redis.command({"HSET", keys.meta, "rec", ""});
  CHECK(publish(uuid, epoch, "9") == "ok");
  redis.command({"DEL", keys.buyers});
  CHECK(publish(uuid, epoch, "10") == "stale");
  redis.command({"DEL", keys.meta});
  CHECK(publish(uuid, epoch, "11") == "stale");
}

#ifndef __SANITIZE_THREAD__  // whose runtime makes calls of its own, on a thread that would outlive the child's
TEST_CASE("a local refusal makes no system call") {
  PrivateRedis redis;
  ServedSale sale(redis, few(60'000));
  REQUIRE(sale.sell({{"ann", "r1", 1, 2}, {"bob", "r1"}}) == "aa");
  publish_all(sale);
  const pid_t child = fork();
  if (child == 0) {
    StockGate gate(make_pool(redis.url()).value());  // the parent's pools are the parent's
    const Call call = click(sale, "eve");
    const auto refused_locally = [] {
      const std::string text = metrics_text(), name = "\nflashsale_refused_locally_total ";
      return std::stoll(text.substr(text.find(name) + name.size()));
    };
    const auto before = refused_locally();
    const auto is_sold_out = [&] {
      const auto answer = gate.reserve(call);
      return answer && answer->outcome == Outcome::sold_out;
    };
    if (!eventually([&] { return is_sold_out() && refused_locally() > before; })) _exit(2);
    // From here on anything but read, write and exit kills the process.
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0) _exit(3);
    int refused = 0;
    for (int i = 0; i < 100; ++i) refused += is_sold_out() ? 1 : 0;
    syscall(SYS_exit, refused == 100 ? 0 : 4);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}
#endif
