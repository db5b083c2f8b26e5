#include "engine/counters.hpp"

#include <fmt/format.h>

#include <iterator>

#include "flashsale/metrics.hpp"

namespace flashsale {
namespace engine {

Counters& counters() {
  static Counters all;
  return all;
}

namespace {

void head(std::string& text, std::string_view name, std::string_view type, std::string_view help) {
  fmt::format_to(std::back_inserter(text), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void plain(std::string& text, std::string_view name, std::string_view type, std::string_view help, const Counter& c) {
  head(text, name, type, help);
  fmt::format_to(std::back_inserter(text), "{} {}\n", name, c.value());
}

}  // namespace
}  // namespace engine

std::string metrics_text() {
  const engine::Counters& all = engine::counters();
  std::string text;
  engine::head(text, "flashsale_answers_total", "counter", "Answers given, by outcome.");
  for (std::size_t i = 1; i < engine::kOutcomeCount; ++i)
    fmt::format_to(std::back_inserter(text), "flashsale_answers_total{{outcome=\"{}\"}} {}\n",
                   name(static_cast<Outcome>(i)), all.answers[i].value());
  engine::head(text, "flashsale_errors_total", "counter", "Calls without an answer, by error and effect.");
  for (std::size_t i = 1; i < engine::kErrorCount; ++i)
    for (const Effect effect : {Effect::none, Effect::unknown})
      fmt::format_to(std::back_inserter(text), "flashsale_errors_total{{error=\"{}\",effect=\"{}\"}} {}\n",
                     name(static_cast<ErrorCode>(-static_cast<int>(i))), name(effect),
                     all.errors[i][effect == Effect::none ? 0 : 1].value());
  engine::plain(text, "flashsale_batches_total", "counter", "Batches that Redis answered.", all.batches);
  engine::plain(text, "flashsale_batched_requests_total", "counter", "Requests in those batches.",
                all.batched_requests);
  engine::plain(text, "flashsale_round_trips_total", "counter", "Round trips of lanes.", all.round_trips);
  engine::plain(text, "flashsale_resent_batches_total", "counter", "Batches sent more than once.", all.resent_batches);
  engine::plain(text, "flashsale_orders_committed_total", "counter", "Orders committed by workers.",
                all.orders_committed);
  engine::plain(text, "flashsale_commits_total", "counter", "Transactions committed by workers.", all.commits);
  engine::plain(text, "flashsale_dead_orders_total", "counter", "Orders set aside by workers.", all.dead_orders);
  engine::plain(text, "flashsale_reconciles_total", "counter", "Reconciles finished.", all.reconciles);
  engine::plain(text, "flashsale_entries_behind", "gauge", "Journal entries not in the database at the last look.",
                all.entries_behind);
  return text;
}

}  // namespace flashsale
