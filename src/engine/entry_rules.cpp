#include "engine/entry_rules.hpp"

#include <algorithm>

#include "core/checks.hpp"
#include "core/numbers.hpp"

namespace flashsale::engine {
namespace {
constexpr std::size_t kEntriesMax = 512;
}  // namespace

Fit fit(const SaleRow& row, const JournalEntry& entry) {
  if (entry.at.epoch > row.watermark.epoch && entry.at.seq == 0 && entry.link == "-") return Fit::begins;
  if (entry.at != Position{row.watermark.epoch, row.watermark.seq + 1}) return Fit::gap;
  return entry.link == row.link ? Fit::next : Fit::fork;
}

void step_to(SaleRow& row, const JournalEntry& entry) {
  row.watermark = entry.at;
  row.link = entry.nonce;
}

std::optional<std::string> apply_act(SaleRow& row, const JournalEntry& entry) {
  if (entry.arguments.size() != 3) return "it has not three arguments";
  const auto state = sale_state(entry.arguments[0]);
  const auto opens = core::to_number<std::int64_t>(entry.arguments[1]);
  const auto closes = core::to_number<std::int64_t>(entry.arguments[2]);
  // The other two states are the database's own: no script writes them.
  if (!state || *state == SaleState::creating || *state == SaleState::retired) return "its state does not read";
  if (!opens || !closes) return "its times do not read";
  row.state = *state;
  row.opens_ms = *opens;
  row.closes_ms = *closes;
  return std::nullopt;
}

std::optional<Restock> read_restock(SaleRow& row, const JournalEntry& entry) {
  if (entry.arguments.size() != 3 || core::check_operation(entry.arguments[0])) return std::nullopt;
  const auto item = std::find_if(row.items.begin(), row.items.end(),
                                 [&](const ItemRow& candidate) { return candidate.item == entry.arguments[1]; });
  const auto units = core::to_number<std::int64_t>(entry.arguments[2]);
  if (item == row.items.end() || !units) return std::nullopt;
  return Restock{entry.arguments[0], &*item, *units};
}

std::optional<OrderState> moves_to(EntryKind kind) {
  switch (kind) {
    case EntryKind::confirm:
      return OrderState::confirmed;
    case EntryKind::release:
      return OrderState::released;
    case EntryKind::expire:
      return OrderState::expired;
    default:
      return std::nullopt;
  }
}

std::string_view reason_of(Insert verdict) {
  switch (verdict) {
    case Insert::oversold:
      return "OVERSOLD";
    case Insert::over_limit:
      return "OVER_LIMIT";
    case Insert::poison:
      return "POISON: the database cannot store it";
    default:
      return "";
  }
}

bool proves_redis_wrong(Insert verdict) { return verdict == Insert::oversold || verdict == Insert::over_limit; }

void pause_row(SaleRow& row) {
  if (row.state == SaleState::open || row.state == SaleState::draining) row.state = SaleState::paused;
}

std::size_t next_read(std::size_t before, std::size_t entries, std::size_t orders, std::size_t orders_wanted) {
  if (entries == 0) return before;
  const std::size_t fits = orders == 0 ? kEntriesMax : orders_wanted * entries / orders;
  return std::clamp<std::size_t>(fits, 1, std::min(kEntriesMax, before * 2));
}

}  // namespace flashsale::engine
