#include "engine/seen_sales.hpp"

#include <algorithm>

namespace flashsale::engine {

void SeenSales::heard(std::string_view sale, std::string_view uuid, Position at) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = sales_.find(sale);
  if (found == sales_.end()) {
    if (sales_.size() >= kMax)  // a sale that was not heard of for longest makes room
      sales_.erase(std::min_element(sales_.begin(), sales_.end(),
                                    [](const auto& a, const auto& b) { return a.second.heard < b.second.heard; }));
    sales_.emplace(sale, Seen{std::string(uuid), at, ++heard_});
    return;
  }
  Seen& seen = found->second;
  seen.heard = ++heard_;
  if (seen.uuid != uuid)
    seen = {std::string(uuid), at, heard_};
  else if (seen.at < at)
    seen.at = at;
}

Position SeenSales::mark(std::string_view sale, std::string_view uuid) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sales_.find(sale);
  return found != sales_.end() && found->second.uuid == uuid ? found->second.at : Position{};
}

bool SeenSales::has(std::string_view sale) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return sales_.find(sale) != sales_.end();
}

}  // namespace flashsale::engine
