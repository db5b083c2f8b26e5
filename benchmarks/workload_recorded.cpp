// The recorded crowd, as it came: several items, units by the handful, clicks again, conflicts and refusals.
#include <algorithm>
#include <stdexcept>

#include "core/checks.hpp"
#include "ours.hpp"
#include "peers.hpp"
#include "support/recorded_crowd.hpp"

namespace flashsale::bench {
namespace {

constexpr std::size_t kInFlight = 16'384;
constexpr std::size_t kSlice = 512;

/// Without what no client would send: of no such item, or outside a bound. Nothing else would hear otherwise for it.
test::RecordedCrowd recorded_crowd() {
  test::RecordedCrowd crowd = test::read_recorded_crowd(FLASHSALE_BENCH_DIR "/../tests/support/crowd");
  auto& attempts = crowd.attempts;
  const auto is_refused = [&](const test::Attempt& attempt) {
    const bool is_sold = std::any_of(crowd.items.begin(), crowd.items.end(),
                                     [&](const ItemRow& item) { return item.item == attempt.item; });
    return !is_sold || core::check_call(attempt.call("sale"), 1024);
  };
  attempts.erase(std::remove_if(attempts.begin(), attempts.end(), is_refused), attempts.end());
  return crowd;
}

StageOptions sales_for(const test::RecordedCrowd& crowd, std::size_t copies) {
  StageOptions options;
  options.sales = copies;
  options.items = crowd.items;
  return options;
}

void expect(const test::RecordedCrowd& crowd, std::size_t copies, const char* answer, std::size_t heard) {
  if (heard != copies * crowd.answers.at(answer))
    throw std::runtime_error(std::string("not as many as expected heard ") + answer);
}

/// One submitting thread, one lane, which keeps the file's order: each sale must answer as expected, to the last one.
Score ours(const test::RecordedCrowd& crowd, std::size_t copies) {
  Stage stage(sales_for(crowd, copies));
  GateOptions options;
  options.lanes = 1;
  options.timeout = milliseconds{20'000};
  StockGate gate(stage.pool, options);
  CompletionQueue queue;
  std::vector<Call> calls;
  std::vector<Event> events(1024);
  std::map<int, std::size_t> heard;
  const std::size_t each = crowd.attempts.size(), count = copies * each;
  std::size_t sent = 0, done = 0;
  const auto start = Clock::now();
  while (done < count) {
    calls.clear();
    for (std::size_t i = sent; i < count && calls.size() < kSlice && i - done < kInFlight; ++i)
      calls.push_back(crowd.attempts[i % each].call(stage.sale(i / each)));
    if (!calls.empty()) sent += gate.submit(calls.data(), calls.size(), queue).value();
    const auto got = queue.drain(events.data(), events.size(), milliseconds{calls.empty() ? 100 : 0});
    for (std::size_t i = 0; i < got; ++i) ++heard[events[i].code];
    done += got;
  }
  const double seconds = seconds_since(start);
  for (const Outcome outcome :
       {Outcome::reserved, Outcome::already_reserved, Outcome::limit_reached, Outcome::sold_out})
    expect(crowd, copies, std::string(name(outcome)).c_str(), heard[static_cast<int>(outcome)]);
  return {{"answers_per_s", static_cast<double>(count) / seconds}};
}

Score peer(const test::RecordedCrowd& crowd, std::size_t copies) {
  Stage stage(sales_for(crowd, copies));
  RecordedRun run = peer_pool_recorded(stage, crowd.attempts, 64);
  expect(crowd, copies, "reserved", run.heard['a']);
  return {{"answers_per_s", static_cast<double>(copies * crowd.attempts.size()) / run.seconds}};
}

const Registered kRecorded{
    {"recorded_crowd", "a recorded crowd, as it came, to each of 200 sales; each must answer as was worked out",
     [](Bench& bench) {
       const test::RecordedCrowd crowd = recorded_crowd();
       const std::size_t copies = bench.scaled(200);
       bench.compare({"answers_per_s"},
                     {{"flashsale", [&] { return ours(crowd, copies); }},
                      {"pool of 64 blocking hiredis connections", [&] { return peer(crowd, copies); }}});
     },
     4}};

}  // namespace
}  // namespace flashsale::bench
