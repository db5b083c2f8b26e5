#include "engine/unsettled.hpp"

#include <algorithm>

namespace flashsale::engine {

void Unsettled::add(std::string_view key, std::int64_t until_ms) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (until_.size() >= kMax) {
    for (const auto& [forgotten, until] : until_) latest_forgotten_ms_ = std::max(latest_forgotten_ms_, until);
    until_.clear();
  }
  auto& until = until_[std::string(key)];
  until = std::max(until, until_ms);
}

std::int64_t Unsettled::until_ms(std::string_view key) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = until_.find(std::string(key));
  return std::max(latest_forgotten_ms_, found == until_.end() ? 0 : found->second);
}

}  // namespace flashsale::engine
