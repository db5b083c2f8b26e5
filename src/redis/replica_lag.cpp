#include "redis/replica_lag.hpp"

#include <algorithm>

namespace flashsale::redis {

void Trail::note(Deadline at, std::int64_t offset) {
  if (!samples_.empty() && at <= samples_.back().at) return;
  if (!samples_.empty() && offset < samples_.back().offset) samples_.clear();  // another history
  samples_.push_back({at, offset});
  if (samples_.size() > kSamplesMax) samples_.pop_front();
}

std::optional<Lag> Trail::lag_of(std::int64_t offset, Deadline now) const {
  const auto reached =
      std::find_if(samples_.rbegin(), samples_.rend(), [&](const Sample& sample) { return sample.offset <= offset; });
  if (reached == samples_.rend()) return std::nullopt;
  return Lag{std::max<std::int64_t>(samples_.back().offset - offset, 0),
             std::chrono::ceil<milliseconds>(now - reached->at)};
}

std::optional<Deadline> Trail::newest() const {
  if (samples_.empty()) return std::nullopt;
  return samples_.back().at;
}

}  // namespace flashsale::redis
