#include "core/winners_filter.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/numbers.hpp"
#include "core/positions.hpp"

namespace flashsale::core {
namespace {

constexpr std::size_t kBitsPerBuyer = 16;
constexpr std::string_view kVersion = "1";

std::size_t blocks_for(std::size_t buyers) {
  const std::size_t blocks = (buyers * kBitsPerBuyer + kFilterBlockBytes * 8 - 1) / (kFilterBlockBytes * 8);
  return std::clamp<std::size_t>(blocks, 1, kFilterBlocksMax);
}

}  // namespace

WinnersFilter::WinnersFilter(std::size_t buyers)
    : sized_for_(std::max<std::size_t>(buyers, 1)), words_(blocks_for(buyers) * kFilterBlockWords) {}

bool WinnersFilter::add(std::string_view buyer) {
  const FilterPlace place(buyer, words_.size() / kFilterBlockWords);
  bool was_there = true;
  for (std::size_t i = 0; i < kFilterBlockWords; ++i) {
    std::uint64_t& word = words_[place.block * kFilterBlockWords + i];
    was_there = was_there && (word & place.bit(i)) != 0;
    word |= place.bit(i);
  }
  ++added_;
  return was_there;
}

std::string WinnersFilter::publish(Position at) const {
  std::string text = fmt::format("{} {} {} {}\n", kVersion, at.epoch, at.seq, words_.size() / kFilterBlockWords);
  text.reserve(text.size() + words_.size() * 8);
  for (const std::uint64_t word : words_)
    for (int i = 0; i < 8; ++i) text.push_back(static_cast<char>(word >> (8 * i) & 255));
  return text;
}

std::optional<FilterHeader> read_filter_header(std::string_view published) {
  const auto end = published.substr(0, kFilterHeaderBytesMax).find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = published.substr(0, end);
  if (next_word(line) != kVersion) return std::nullopt;
  const auto epoch = to_number<std::uint64_t>(next_word(line));
  const auto seq = to_number<std::uint64_t>(next_word(line));
  const auto blocks = to_number<std::size_t>(line);
  if (!epoch || !seq || !blocks || *blocks < 1 || *blocks > kFilterBlocksMax) return std::nullopt;
  return FilterHeader{{*epoch, *seq}, *blocks, end + 1};
}

}  // namespace flashsale::core
