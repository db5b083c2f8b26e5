#include "core/batch_room.hpp"

namespace flashsale::core {
namespace {

constexpr std::size_t kBatchBytesMax = 1u << 20;
constexpr std::size_t kHeaderBytes = 150;       // of an entry, about
constexpr std::size_t kAloneBytes = 16u << 10;  // smaller entries share a piece, so their size does not matter
constexpr std::size_t kStemBytes = 7;           // "1 1 123"

/// One string in a stream's entry: its own length in front, and the way back behind.
std::size_t packed(std::size_t bytes) {
  const std::size_t front = bytes < 64 ? 1 : bytes < 4096 ? 2 : 5;
  return front + bytes + (front + bytes < 128 ? 1 : front + bytes < 16'384 ? 2 : 3);
}

}  // namespace

std::size_t allocated_for(std::size_t bytes) {
  if (bytes <= 128) return (bytes + 15) / 16 * 16;
  std::size_t step = 32;
  while (bytes > step * 8) step *= 2;
  return (bytes + step - 1) / step * step;
}

bool BatchRoom::take(const Asked& asked) {
  const std::size_t body = asked.request.size() + asked.payload.size() + kStemBytes + 2;
  const std::size_t bytes = bytes_ + asked.buyer.size() + body;
  const std::size_t before = entry_bytes_ == 0 ? kHeaderBytes : entry_bytes_;
  const std::size_t entry_bytes = before + packed(asked.buyer.size()) + packed(body);
  if (requests_ == requests_max_) return false;
  if (requests_ > 0 && bytes > kBatchBytesMax) return false;
  const bool nearly_full = before >= kAloneBytes && requests_ >= requests_max_ / 4 * 3;
  if (nearly_full && allocated_for(entry_bytes) > allocated_for(before)) return false;
  ++requests_;
  bytes_ = bytes;
  entry_bytes_ = entry_bytes;
  return true;
}

}  // namespace flashsale::core
