#include "engine/seen_sales.hpp"

namespace flashsale::engine {

void SeenSales::heard(std::string_view sale, std::string_view uuid, Position at) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = sales_.find(sale);
  if (found == sales_.end()) {
    if (sales_.size() < kMax) sales_.emplace(sale, Seen{std::string(uuid), at});
    return;
  }
  Seen& seen = found->second;
  if (seen.uuid != uuid)
    seen = {std::string(uuid), at};
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
