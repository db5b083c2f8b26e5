#include "engine/winners_publisher.hpp"

#include <algorithm>
#include <utility>

#include "core/journal_codec.hpp"
#include "core/keyspace.hpp"
#include "core/numbers.hpp"
#include "engine/script_runner.hpp"

namespace flashsale::engine {
namespace {

// Between looks at a sale that refuses nobody, or whose filter covers all. One that sells may sell out at any moment,
// and till that is covered every loser asks Redis.
constexpr milliseconds kIdlePause{50}, kSellingPause{10};
constexpr milliseconds kBusyPause{1};  // between the steps of a scan, so that orders are persisted in between
constexpr milliseconds kFailurePause{500};
constexpr int kPagesPerStep = 8;
constexpr const char* kBuyersPerPage = "1000";
constexpr const char* kEntriesPerStep = "64";
constexpr std::size_t kBytesPerMs = 10'000;  // published: 10 MB/s at most, for every replica gets it too

/// What one look at the sale found.
struct Seen {
  core::SaleMeta meta;
  std::size_t buyers = 0;
  std::optional<Position> needs;  // what the filter must cover, if gates may refuse somebody, now or within a second
  Position published;
};

std::uint64_t number_in(const Reply& hgetall, std::string_view field) {
  for (std::size_t i = 0; i + 1 < hgetall.elements.size(); i += 2)
    if (hgetall.elements[i].text == field)
      return core::to_number<std::uint64_t>(hgetall.elements[i + 1].text).value_or(0);
  return 0;
}

/// Of a sale that is shut all that was sold; of one that sells what sold its sold-out items last, so that nothing need
/// be done while the others go on selling.
std::optional<Position> needs_of(const core::SaleMeta& meta, const Reply& hgetall, std::int64_t now_ms) {
  if (meta.state != SaleState::open || std::max(meta.opens_ms, meta.reopen_ms) > now_ms ||
      (meta.closes_ms > 0 && now_ms + 1000 >= meta.closes_ms))
    return Position{meta.epoch, meta.seq};
  std::optional<Position> needs;
  for (std::size_t i = 0; i < meta.items.size(); ++i) {
    if (meta.items[i].booked < meta.items[i].total) continue;
    const Position sold{meta.epoch, number_in(hgetall, "sold_seq:" + std::to_string(i + 1))};
    needs = needs ? std::max(*needs, sold) : sold;
  }
  return needs;
}

std::optional<Seen> look(ConnectionPool& pool, const std::string& sale, Deadline deadline) {
  const core::Keys keys(sale);
  const std::string last = std::to_string(core::kFilterHeaderBytesMax - 1);
  const auto read = read_at_primary(
      pool, sale, {{"HGETALL", keys.meta}, {"HLEN", keys.buyers}, {"GETRANGE", keys.winners, "0", last}}, deadline);
  if (!read) return std::nullopt;
  auto meta = core::read_meta(read->replies[0]);
  if (!meta) return std::nullopt;
  Seen seen;
  seen.needs = needs_of(*meta, read->replies[0], read->now_ms);
  seen.meta = std::move(*meta);
  seen.buyers = static_cast<std::size_t>(read->replies[1].integer);
  if (const auto header = core::read_filter_header(read->replies[2].text)) seen.published = header->at;
  return seen;
}

}  // namespace

milliseconds WinnersPublisher::step(Deadline deadline) {
  const auto seen = look(*pool_, sale_, deadline);
  if (!seen) return kFailurePause;
  const core::SaleMeta& meta = seen->meta;
  if (meta.queue == QueueMode::list || !meta.rec.empty()) return kFailurePause;
  const bool sells = std::exchange(seen_at_, Position{meta.epoch, meta.seq}) != Position{meta.epoch, meta.seq};
  const milliseconds look_again = sells ? kSellingPause : kIdlePause;
  if (!seen->needs) return look_again;
  if (seen->published.epoch == meta.epoch && seen->published >= *seen->needs) return look_again;

  const bool is_ours = filter_ && uuid_ == meta.uuid && covers_.epoch == meta.epoch && !filter_->is_crowded();
  if (!is_ours) begin_scan(meta, seen->buyers);
  if (cursor_) {
    if (!scan(deadline)) return kFailurePause;
    if (cursor_) return kBusyPause;
  } else if (covers_ < *seen->needs && !follow({meta.epoch, meta.seq}, deadline)) {
    begin_scan(meta, seen->buyers);
    return kBusyPause;
  }
  if (covers_ < *seen->needs) return kBusyPause;
  return publish(meta.uuid, deadline) ? std::max<milliseconds>(look_again, milliseconds{filter_->bytes() / kBytesPerMs})
                                      : kFailurePause;
}

/// The filter covers what was sold before the scan began: HSCAN returns whatever was there from its first page to its
/// last, and no buyer's record is ever removed.
void WinnersPublisher::begin_scan(const core::SaleMeta& meta, std::size_t buyers) {
  uuid_ = meta.uuid;
  covers_ = {meta.epoch, meta.seq};
  filter_.emplace(buyers + buyers / 2 + 1000);
  cursor_ = "0";
}

/// Some pages of the scan; false if Redis did not answer as it should.
bool WinnersPublisher::scan(Deadline deadline) {
  const core::Keys keys(sale_);
  for (int page = 0; page < kPagesPerStep && cursor_; ++page) {
    // A cursor means nothing to any other server.
    const auto read =
        read_at_primary(*pool_, sale_, {{"HSCAN", keys.buyers, *cursor_, "COUNT", kBuyersPerPage}}, deadline);
    if (!read || read->replies[0].elements.size() != 2) {
      filter_.reset();
      return false;
    }
    const auto& pairs = read->replies[0].elements[1].elements;
    for (std::size_t i = 0; i + 1 < pairs.size(); i += 2)
      if (pairs[i].text != "#") filter_->add(pairs[i].text);
    cursor_ = read->replies[0].elements[0].text;
    if (*cursor_ == "0") cursor_.reset();
  }
  return true;
}

/// Adds the winners of the next entries; false if they are not all there any more.
bool WinnersPublisher::follow(Position to, Deadline deadline) {
  const core::Keys keys(sale_);
  const std::string from = "(" + to_string(covers_), until = to_string(to);
  const auto read =
      read_at_primary(*pool_, sale_, {{"XRANGE", keys.journal, from, until, "COUNT", kEntriesPerStep}}, deadline);
  if (!read) return false;
  const auto entries = core::read_entries(read->replies[0]);
  if (!entries || entries->empty()) return false;
  for (const JournalEntry& entry : *entries) {
    if (entry.at != Position{covers_.epoch, covers_.seq + 1} || !entry.defect.empty()) return false;
    if (entry.kind == EntryKind::reserve)
      for (const Order& order : entry.orders) filter_->add(order.buyer);
    covers_ = entry.at;
  }
  return true;
}

bool WinnersPublisher::publish(const std::string& uuid, Deadline deadline) {
  const core::Keys keys(sale_);
  ScriptCall call;
  call.script = "publish";
  call.keys = {keys.meta, keys.buyers, keys.winners};
  call.arguments = {"", uuid, std::to_string(covers_.epoch), std::to_string(covers_.seq), filter_->publish(covers_)};
  const auto answer = run_script(*pool_, sale_, std::move(call), deadline);
  return answer && answer->verdict() != "stale";
}

}  // namespace flashsale::engine
