#include "funnel.hpp"

#include <algorithm>
#include <cmath>

namespace server {

std::size_t AnswerTimes::bucket_of(std::int64_t us) {
  if (us < 1) return 0;
  const auto bucket = static_cast<std::size_t>(8 * std::log2(static_cast<double>(us)));
  return std::min(bucket, kBuckets - 1);
}

void AnswerTimes::record(std::int64_t us) {
  seconds_[now_.load(std::memory_order_relaxed)][bucket_of(us)].fetch_add(1, std::memory_order_relaxed);
}

void AnswerTimes::turn() {
  const auto next = (now_.load(std::memory_order_relaxed) + 1) % kSeconds;
  for (auto& bucket : seconds_[next]) bucket.store(0, std::memory_order_relaxed);
  now_.store(next, std::memory_order_relaxed);
}

double AnswerTimes::quantile(double share) const {
  std::array<std::uint64_t, kBuckets> sums{};
  std::uint64_t total = 0;
  for (const auto& second : seconds_)
    for (std::size_t i = 0; i < kBuckets; ++i) {
      sums[i] += second[i].load(std::memory_order_relaxed);
      total += second[i].load(std::memory_order_relaxed);
    }
  if (total == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(total)));
  std::uint64_t below = 0;
  std::size_t at = 0;
  while (at + 1 < kBuckets && (below += sums[at]) < rank) ++at;
  return std::exp2(static_cast<double>(at + 1) / 8) / 1000;
}

void Sales::add(const std::string& sale, flashsale::Position at) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Sold& sold = sales_[sale];
  if (sold.orders++ == 0 || at < sold.first) sold.first = at;
}

Sold Sales::of(const std::string& sale) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sales_.find(sale);
  return found == sales_.end() ? Sold{} : found->second;
}

std::string to_metrics(const Funnel& funnel) {
  std::string text;
  const auto add = [&](const std::string& name, const char* help, const std::atomic<std::uint64_t>& counter) {
    text += "# HELP " + name + " " + help + "\n# TYPE " + name + " counter\n" + name + " " +
            std::to_string(counter.load(std::memory_order_relaxed)) + "\n";
  };
  add("flashsale_server_requests_total", "Requests for what the public may ask.", funnel.requests);
  add("flashsale_server_purchases_total", "Purchases that arrived.", funnel.arrived);
  add("flashsale_server_purchases_refused_total", "Purchases that admission refused.", funnel.refused);
  add("flashsale_server_purchases_answered_total", "Purchases that the gate answered.", funnel.answered);
  add("flashsale_server_purchases_won_total", "Purchases that won.", funnel.won);
  return text;
}

}  // namespace server
