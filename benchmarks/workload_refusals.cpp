// A thousand losers a winner: what a refusal costs, with Redis and without.
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <thread>

#include "core/keyspace.hpp"
#include "core/sale_view.hpp"
#include "core/winners_filter.hpp"
#include "engine/winners_publisher.hpp"
#include "ours.hpp"
#include "peers.hpp"
#include "util/deadline.hpp"

namespace flashsale::bench {
namespace {

constexpr std::size_t kWinners = 10'000;
constexpr auto kFor = std::chrono::seconds(2);

/// A sale whose units are all gone, with the filter published.
struct SoldOut {
  explicit SoldOut(std::size_t losers) : stage({kWinners, 1, {}}), winners(kWinners), crowd(losers) {
    for (auto& buyer : crowd.buyers) buyer.insert(0, "loser-");
    ours_async(stage, winners);
    engine::WinnersPublisher publisher(stage.pool, stage.sale());
    const core::Keys keys(stage.sale());
    while (stage.redis.command({"EXISTS", keys.winners}).integer == 0)
      publisher.step(util::Clock::now() + std::chrono::seconds(10));
  }
  Stage stage;
  Crowd winners, crowd;
};

bool is_refused(core::SaleView& view, const Call& call, std::int64_t now) {
  Answer answer;
  return view.advise(call, now, answer) == core::Advice::refuse;
}

bool is_sold_out(const Result<Answer>& answer) { return answer && answer->outcome == Outcome::sold_out; }

/// Whom the filter suspects, one in some thousands, asks Redis, and a round trip is worth hundreds of refusals.
enum class Suspects { stay_away, come_too };

/// Puts others in the place of losers whom the filter suspects.
template <class Ask>
void send_suspects_away(Crowd& crowd, Ask ask) {
  for (std::size_t i = 0; i < crowd.size(); ++i) {
    const auto before = metrics().refused_locally;
    for (int again = 0; again < 3 && metrics().refused_locally == before; ++again) static_cast<void>(ask(i));
    if (metrics().refused_locally == before) crowd.buyers[i] = crowd.buyers[i == 0 ? crowd.size() - 1 : i - 1];
  }
}

/// Refusals a second by one thread that calls the blocking `reserve`.
Score refuse_locally(Suspects suspects) {
  SoldOut sold(4096);
  StockGate gate(sold.stage.pool);
  const auto ask = [&](std::size_t i) { return gate.reserve(sold.crowd.call(i, sold.stage.sale())); };
  for (std::size_t i = 0; i < 200; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(1)))
    if (!is_sold_out(ask(i))) throw std::runtime_error("a loser was not told sold_out");
  if (suspects == Suspects::stay_away) send_suspects_away(sold.crowd, ask);
  std::uint64_t refused = 0;
  const double cpu_before = cpu_seconds();
  const auto start = Clock::now();
  while (Clock::now() - start < kFor)
    for (std::size_t i = 0; i < 4096; ++i) refused += is_sold_out(ask(i)) ? 1 : 0;
  const double seconds = seconds_since(start);
  sold.stage.check(kWinners);
  return {{"refusals_per_s", static_cast<double>(refused) / seconds},
          {"cpu_ns_per_refusal", (cpu_seconds() - cpu_before) * 1e9 / static_cast<double>(refused)}};
}

/// Refusals a second by one thread that submits and drains, with the view or, without it, through Redis.
Score refuse_submitted(bool view) {
  SoldOut sold(4096);
  GateOptions options;
  options.view = view;
  StockGate gate(sold.stage.pool, options);
  CompletionQueue queue;
  std::vector<Call> calls;
  for (std::size_t i = 0; i < sold.crowd.size(); ++i) calls.push_back(sold.crowd.call(i, sold.stage.sale()));
  std::vector<Event> events(1024);
  std::uint64_t refused = 0;
  std::size_t sent = 0, done = 0;
  const auto drain = [&](milliseconds wait) {
    const auto got = queue.drain(events.data(), events.size(), wait);
    refused += static_cast<std::uint64_t>(std::count_if(events.begin(), events.begin() + got, [](const Event& event) {
      return event.code == static_cast<int>(Outcome::sold_out);
    }));
    done += got;
  };
  auto start = Clock::now();
  const auto warm_until = start + std::chrono::milliseconds(300);
  bool warm = false;
  while (Clock::now() - start < kFor) {
    if (!warm && Clock::now() > warm_until) {
      warm = true;
      refused = 0;
      start = Clock::now();
    }
    if (sent - done < 16'384) sent += gate.submit(calls.data() + sent % 4096, 512, queue).value();
    drain(milliseconds{sent - done >= 16'384 ? 100 : 0});
  }
  const double seconds = seconds_since(start);
  const auto counted = static_cast<double>(refused);
  while (done < sent) drain(milliseconds{100});
  if (refused == 0) throw std::runtime_error("nobody was told sold_out");
  sold.stage.check(kWinners);
  return {{"refusals_per_s", counted / seconds}};
}

Score refuse_by_pool(std::size_t losers) {
  SoldOut sold(losers);
  return peer_pool_refusals(sold.stage, sold.crowd, 64);
}

const Registered kLocal{
    {"sold_out_local",
     "a sold-out flood, answered without Redis; one thread, blocking reserve; losers whom the filter "
     "takes for winners, so that they ask Redis, only in with_suspects",
     [](Bench& bench) {
       bench.compare(
           {"refusals_per_s", "cpu_ns_per_refusal"},
           {{"flashsale", [] { return refuse_locally(Suspects::stay_away); }},
            {"pool of 64 blocking hiredis connections", [&] { return refuse_by_pool(bench.scaled(100'000)); }}});
       bench.figure("with_suspects_refusals_per_s", refuse_locally(Suspects::come_too).at("refusals_per_s"));
       bench.figure("submitted_refusals_per_s", refuse_submitted(true).at("refusals_per_s"));
     },
     10}};

const Registered kRedis{{"sold_out_redis",
                         "a sold-out flood with the view off: every refusal asks Redis; one submitting thread",
                         [](Bench& bench) {
                           bench.compare({"refusals_per_s"}, {{"flashsale", [] { return refuse_submitted(false); }},
                                                              {"pool of 64 blocking hiredis connections",
                                                               [&] { return refuse_by_pool(bench.scaled(100'000)); }}});
                         },
                         11}};

const Registered kFilter{{"winners_filter", "the view alone, with 1,000,000 winners: one thread, look-ups of losers",
                          [](Bench& bench) {
                            const std::size_t count = bench.scaled(1'000'000);
                            const Crowd winners(count);
                            core::WinnersFilter filter(count);
                            for (const auto& buyer : winners.buyers) filter.add(buyer);
                            core::SaleView view;
                            const std::int64_t asked_at = 1000;
                            core::ItemNews news;
                            news.refusal = Outcome::sold_out;
                            news.asked_at = asked_at;
                            news.true_until = asked_at + 1'000'000;
                            news.needs = {1, 1};
                            news.limit = 1;
                            view.learn("spring", kItem, news);
                            view.put_filter("spring", filter.publish({1, 1}));
                            Crowd losers(65'536);
                            for (auto& buyer : losers.buyers) buyer[0] = 'v';
                            std::uint64_t asked = 0, refused = 0;
                            const auto start = Clock::now();
                            while (Clock::now() - start < kFor)
                              for (std::size_t i = 0; i < losers.size(); ++i, ++asked)
                                refused += is_refused(view, losers.call(i, "spring"), asked_at + 1) ? 1 : 0;
                            bench.figure("lookups_per_s", static_cast<double>(asked) / seconds_since(start));
                            bench.figure("losers_sent_to_redis_per_1000",
                                         static_cast<double>(asked - refused) * 1000 / static_cast<double>(asked));
                            bench.figure("filter_bytes_per_winner",
                                         static_cast<double>(filter.bytes()) / static_cast<double>(count));
                          },
                          13}};

}  // namespace
}  // namespace flashsale::bench
