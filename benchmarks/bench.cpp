#include "bench.hpp"

#include <stdexcept>

#include "core/sale_meta.hpp"
#include "support/raw_sale.hpp"

namespace flashsale::bench {

Stage::Stage(std::int64_t units_for_sale, std::vector<std::string> redis_arguments)
    : redis(std::move(redis_arguments)), pool(make_pool(redis.url()).value()), units(units_for_sale) {
  test::make_raw_sale(*pool, Sale{SaleId{kSale}}.item(ItemId{kItem}, units, 1));
}

void Stage::check(std::uint64_t accepted) {
  const auto booked = std::stoll(redis.command({"HGET", "fs:{bench}:meta", "booked:1"}).text);
  if (booked > units) throw std::runtime_error("OVERSOLD: " + std::to_string(booked) + " of " + std::to_string(units));
  if (booked != static_cast<long long>(accepted))
    throw std::runtime_error("booked " + std::to_string(booked) + ", but accepted " + std::to_string(accepted));
}

double Stage::used_memory() {
  const std::string info = redis.command({"INFO", "memory"}).text;
  return std::stod(std::string(core::info_field(info, "used_memory")));
}

Crowd::Crowd(std::size_t count) : payload(60, 'p') {
  buyers.reserve(count);
  requests.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    buyers.push_back("u" + std::to_string(1'000'000 + i));
    std::string request = std::to_string(0x9e3779b97f4a7c15ULL * (i + 1));
    request.resize(32, 'f');
    requests.push_back(std::move(request));
  }
}

void set_percentiles(Score& score, std::vector<Latencies>& all) {
  Latencies merged;
  for (const auto& one : all) merged.insert(merged.end(), one.begin(), one.end());
  if (merged.empty()) return;
  const auto at = [&](double part) {
    const auto nth = merged.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(merged.size() - 1));
    std::nth_element(merged.begin(), nth, merged.end());
    return static_cast<double>(*nth);
  };
  score.p50_us = at(0.50);
  score.p99_us = at(0.99);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

namespace {

double value_of(const Score& score, const std::string& metric) {
  if (metric == "accepted_per_s") return score.accepted_per_s();
  if (metric == "p50_us") return score.p50_us;
  if (metric == "p99_us") return score.p99_us;
  if (metric == "bytes_per_winner") return score.bytes_per_winner;
  if (metric == "cpu_us_per_order") return score.cpu_us_per_order;
  throw std::runtime_error("no such metric: " + metric);
}

}  // namespace

void compare(std::vector<Row>& rows, const std::string& workload, const std::vector<std::string>& metrics, int rounds,
             const Side& ours, const std::string& peer_name, const Side& peer) {
  std::vector<Score> our_scores, peer_scores;
  for (int round = 0; round < rounds; ++round) {
    our_scores.push_back(ours());
    peer_scores.push_back(peer());
  }
  for (const auto& metric : metrics) {
    std::vector<double> our_values, peer_values;
    for (const auto& score : our_scores) our_values.push_back(value_of(score, metric));
    for (const auto& score : peer_scores) peer_values.push_back(value_of(score, metric));
    Row row{workload, metric, median(our_values), median(peer_values), peer_name, {}};
    const bool more_is_better = metric == "accepted_per_s" || metric == "refusals_per_s";
    row.ratio = more_is_better ? row.ours / row.peer : row.peer / row.ours;
    rows.push_back(row);
  }
}

}  // namespace flashsale::bench
