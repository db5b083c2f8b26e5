#include "engine/counters.hpp"

#include <fmt/format.h>

#include <iterator>

#include "flashsale/metrics.hpp"
#include "util/metrics_writers.hpp"

namespace flashsale {
namespace engine {
namespace {

constexpr std::size_t kSets = 64, kShared = kSets - 1;

std::array<Counters, kSets>& sets() {
  static std::array<Counters, kSets> all;
  return all;
}

// A bit for each set that no thread has; the last one is shared. No lock: a fork could leave it locked in the child.
std::atomic<std::uint64_t> free_sets{(std::uint64_t{1} << kShared) - 1};

std::size_t take_set() {
  std::uint64_t free = free_sets.load(std::memory_order_relaxed);
  while (free != 0)
    if (free_sets.compare_exchange_weak(free, free & (free - 1), std::memory_order_acquire, std::memory_order_relaxed))
      return static_cast<std::size_t>(__builtin_ctzll(free));
  return kShared;
}

thread_local Counters* mine = nullptr;  // constant, so that reading it needs no guard

/// A thread's hold on its set.
struct Seat {
  const std::size_t index = take_set();
  Seat() {
    mine = &sets()[index];
    if (index != kShared) mine->alone = true;
  }
  ~Seat() {
    mine = &sets()[kShared];  // of what counts still later
    if (index != kShared) free_sets.fetch_or(std::uint64_t{1} << index, std::memory_order_release);
  }
  Seat(const Seat&) = delete;
  Seat& operator=(const Seat&) = delete;
};

std::atomic<std::uint64_t>& entries_behind() {
  static std::atomic<std::uint64_t> entries{0};
  return entries;
}

/// `part` of every set, summed up.
template <class Part>
std::uint64_t sum(Part part) {
  std::uint64_t total = 0;
  for (const Counters& set : sets()) total += part(set).value();
  return total;
}

void head(std::string& text, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(text), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void plain(std::string& text, std::string_view name, std::string_view type, std::string_view help,
           std::uint64_t value) {
  head(text, name, type, help);
  fmt::format_to(std::back_inserter(text), "{} {}\n", name, value);
}

/// `unit`: how much of the exposed unit one of the histogram is.
template <class Part>
void histogram(std::string& text, std::string_view name, std::string_view help, double unit, Part part) {
  head(text, name, "histogram", help);
  using Kind = std::remove_cv_t<std::remove_reference_t<decltype(part(sets()[0]))>>;
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < Kind::kBuckets; ++i) {
    below += sum([&](const Counters& set) -> const Counter& { return part(set).buckets[i]; });
    const auto bound =
        i + 1 == Kind::kBuckets ? "+Inf" : fmt::format("{:g}", unit * static_cast<double>(Kind::bound(i)));
    fmt::format_to(std::back_inserter(text), "{}_bucket{{le=\"{}\"}} {}\n", name, bound, below);
  }
  const auto total = sum([&](const Counters& set) -> const Counter& { return part(set).sum; });
  fmt::format_to(std::back_inserter(text), "{}_sum {}\n{}_count {}\n", name, unit * static_cast<double>(total), name,
                 below);
}

}  // namespace

Counters& counters() {
  if (mine == nullptr) thread_local const Seat seat;
  return *mine;
}

void note_entries_behind(std::uint64_t entries) { entries_behind().store(entries, std::memory_order_relaxed); }

}  // namespace engine

Metrics metrics() {
  using engine::Counters;
  Metrics all;
  for (const Counters& set : engine::sets()) {
    for (std::size_t i = 1; i < engine::kOutcomeCount; ++i) {
      const auto locally = set.refused_locally[i].value();
      all.answers[i] += set.answers[i].value() + locally;
      all.refused_locally += locally;
    }
    for (std::size_t i = 1; i < engine::kErrorCount; ++i)
      for (const std::size_t effect : {0, 1}) all.errors[i][effect] += set.errors[i][effect].value();
    for (const auto& bucket : set.batch_requests.buckets) all.batches += bucket.value();
    all.batched_requests += set.batch_requests.sum.value();
    all.round_trips += set.round_trips.value();
    all.resent_batches += set.resent_batches.value();
    all.orders_committed += set.orders_committed.value();
    all.commits += set.commits.value();
    all.dead_orders += set.dead_orders.value();
    all.reconciles += set.reconciles.value();
    all.receipts_saved += set.receipts_saved.value();
    all.receipts_lost += set.receipts_lost.value();
    all.receipts_dropped += set.receipts_dropped.value();
  }
  all.entries_behind = engine::entries_behind().load(std::memory_order_relaxed);
  return all;
}

std::string metrics_text() {
  using engine::Counters;
  const Metrics all = metrics();
  std::string text;
  engine::head(text, "flashsale_answers_total", "counter", "Answers given, by outcome.");
  for (std::size_t i = 1; i < engine::kOutcomeCount; ++i)
    fmt::format_to(std::back_inserter(text), "flashsale_answers_total{{outcome=\"{}\"}} {}\n",
                   name(static_cast<Outcome>(i)), all.answers[i]);
  engine::head(text, "flashsale_errors_total", "counter", "Calls without an answer, by error and effect.");
  for (std::size_t i = 1; i < engine::kErrorCount; ++i)
    for (const Effect effect : {Effect::none, Effect::unknown})
      fmt::format_to(std::back_inserter(text), "flashsale_errors_total{{error=\"{}\",effect=\"{}\"}} {}\n",
                     name(static_cast<ErrorCode>(-static_cast<int>(i))), name(effect),
                     all.errors[i][effect == Effect::none ? 0 : 1]);
  engine::plain(text, "flashsale_refused_locally_total", "counter",
                "Refusals that were known already, so that Redis was not asked.", all.refused_locally);
  engine::histogram(
      text, "flashsale_batch_requests", "Requests of each batch that Redis answered.", 1,
      [](const Counters& set) -> const auto& { return set.batch_requests; });
  engine::histogram(
      text, "flashsale_round_trip_seconds", "Time from sending a batch to its reply.", 1e-6,
      [](const Counters& set) -> const auto& { return set.round_trip_us; });
  engine::plain(text, "flashsale_round_trips_total", "counter", "Round trips of lanes, answered or not.",
                all.round_trips);
  engine::plain(text, "flashsale_resent_batches_total", "counter", "Batches sent more than once.", all.resent_batches);
  engine::plain(text, "flashsale_orders_committed_total", "counter", "Orders committed by workers.",
                all.orders_committed);
  engine::plain(text, "flashsale_commits_total", "counter", "Transactions committed by workers.", all.commits);
  engine::plain(text, "flashsale_dead_orders_total", "counter", "Orders set aside by workers.", all.dead_orders);
  engine::plain(text, "flashsale_reconciles_total", "counter", "Reconciles finished.", all.reconciles);
  engine::plain(text, "flashsale_receipts_saved_total", "counter",
                "Acts that Redis had lost and receipts brought back in reconciles.", all.receipts_saved);
  engine::plain(text, "flashsale_receipts_lost_total", "counter", "Acts told to callers and known to be lost.",
                all.receipts_lost);
  engine::plain(text, "flashsale_receipts_dropped_total", "counter",
                "Receipts dropped for want of room, their acts mostly in the database.", all.receipts_dropped);
  engine::plain(text, "flashsale_entries_behind", "gauge", "Journal entries not in the database at the last look.",
                all.entries_behind);
  util::write_metrics(text);
  return text;
}

}  // namespace flashsale
