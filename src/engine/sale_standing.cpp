#include "engine/sale_standing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/journal_codec.hpp"
#include "core/keyspace.hpp"
#include "core/positions.hpp"
#include "core/sale_meta.hpp"
#include "engine/script_runner.hpp"

namespace flashsale::engine {
namespace {

void read_side_meta(const std::vector<Reply>& fields, RedisSide& side) {
  for (const Reply& field : fields) side.has_meta |= field.type != Reply::Type::nil;
  side.layout = fields[0].text;
  side.uuid = fields[1].text;
  side.sink = fields[2].text;
  side.queue = fields[3].text;
  side.state = fields[4].text;
  side.hist = fields[5].text;
  side.rec = fields[6].text;
  side.rec_epoch = core::to_number<std::uint64_t>(std::string_view(side.rec).substr(0, side.rec.find(' '))).value_or(0);
  side.epoch_text = fields[7].text;
  const auto epoch = core::to_number<std::uint64_t>(fields[7].text);
  const auto seq = core::to_number<std::uint64_t>(fields[8].text);
  const auto watermark = core::to_position(fields[9].text);
  side.reads = epoch && seq && watermark;
  side.at = {epoch.value_or(0), seq.value_or(0)};
  side.watermark = watermark.value_or(Position{});
}

Judgement fenced(std::string why) { return {Standing::fenced, std::move(why)}; }

/// What only a reconcile can put right; `good` if there is nothing.
Judgement judge_fence(const SaleRow& row, const RedisSide& side) {
  if (!row.rec_uuid.empty()) return fenced("a reconcile is under way or was cut off");
  if (!side.has_meta && side.guard.empty()) return fenced("Redis lost the sale");
  if (!side.rec.empty()) return fenced("a reconcile closed its gate and was cut off");
  if (!side.reads || side.layout.empty()) return fenced("Redis lost a part of the sale's meta");
  if (side.guard != side.epoch_text) return fenced("Redis lost the sale's buyers");
  if (!side.has_journal) return fenced("Redis lost the sale's journal");
  if (!side.has_holds) return fenced("Redis lost the sale's holds");
  if (!side.has_operations) return fenced("Redis lost the sale's operations");
  if (side.hist != side.history) return fenced("Redis has another history than the sale");
  if (side.at.epoch != row.fence_epoch)
    return fenced(fmt::format("Redis is at epoch {}, the database at {}", side.at.epoch, row.fence_epoch));
  if (side.at < row.watermark)
    return fenced(fmt::format("Redis is at {}, the database has {}", to_string(side.at), to_string(row.watermark)));
  return {};
}

}  // namespace

Result<RedisSide> look_at(ConnectionPool& pool, std::string_view sale, const Look& look, Deadline deadline) {
  const core::Keys keys(sale);
  const std::string from = "(" + to_string(look.after);
  const std::string count = std::to_string(look.count);
  std::vector<Command> commands{
      {"HMGET", keys.meta, "layout", "uuid", "sink", "queue", "state", "hist", "rec", "epoch", "seq", "watermark"},
      {"HGET", keys.buyers, "#"},
      {"EXISTS", keys.journal},
      {"ZSCORE", keys.holds, "#"},
      {"HGET", keys.ops, "#"},
      {"XRANGE", keys.journal, from, "+", "COUNT", count}};
  if (look.newest) commands.push_back({"XREVRANGE", keys.journal, "+", "-", "COUNT", "1"});
  auto read = read_at_primary(pool, sale, commands, deadline);
  if (!read) return tl::unexpected<Error>(std::move(read.error()));
  const std::vector<Reply>& replies = read->replies;
  if (replies[0].elements.size() != 10) return fail(ErrorCode::protocol, "the reply to HMGET was not of ten fields");

  RedisSide side;
  read_side_meta(replies[0].elements, side);
  side.guard = replies[1].text;
  side.has_journal = replies[2].integer == 1;
  side.is_primary = core::info_field(read->replication, "role") == "master";
  side.history = core::info_field(read->replication, "master_replid");
  side.has_holds = replies[3].type != Reply::Type::nil;
  side.has_operations = replies[4].type != Reply::Type::nil;
  if (look.count > 0) {  // COUNT 0 is answered by nil
    auto entries = core::read_entries(replies[5]);
    if (!entries) return tl::unexpected<Error>(std::move(entries.error()));
    side.entries = std::move(*entries);
  }
  if (look.newest && !replies[6].elements.empty()) {
    auto newest = core::read_entries(replies[6]);
    if (!newest) return tl::unexpected<Error>(std::move(newest.error()));
    side.newest = newest->back().at;
  }
  return side;
}

Result<std::optional<SaleRow>> read_row(OrderSink& sink, std::string_view sale, Deadline deadline) {
  auto transaction = sink.begin(OrderSink::Access::read, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  return (*transaction)->lock_sale(SaleId{sale});
}

bool has_moved(const SaleRow& before, const SaleRow& now) {
  return before.watermark != now.watermark || before.fence_epoch != now.fence_epoch ||
         before.rec_uuid != now.rec_uuid || before.state != now.state || before.uuid != now.uuid;
}

std::uint64_t highest_epoch(const RedisSide& side) {
  return std::max({side.at.epoch, side.newest.epoch, side.rec_epoch});
}

Judgement judge(const SaleRow& row, const RedisSide& side, std::string_view sink_id) {
  if (!side.is_primary || side.history.empty()) return {Standing::no_primary, "the node is no primary"};
  if (!side.layout.empty() && side.layout != core::kLayout)
    return {Standing::not_ours, fmt::format("its layout is '{}', this library knows {}", side.layout, core::kLayout)};
  if (side.queue == "list") return {Standing::not_ours, "it is in list mode"};
  if (!side.sink.empty() && side.sink != sink_id) return {Standing::foreign, "this sale belongs to another database"};
  if (!side.uuid.empty() && side.uuid != row.uuid)
    return {Standing::foreign, "this sale was created by another create than the database's"};
  if (const auto highest = highest_epoch(side); highest > row.fence_epoch)
    return {Standing::went_back,
            fmt::format("the database went back: Redis is at epoch {}, the database at {}", highest, row.fence_epoch)};
  if (side.watermark > row.watermark)
    return {Standing::went_back, fmt::format("the database went back: it once had {}, now it has {}",
                                             to_string(side.watermark), to_string(row.watermark))};
  return judge_fence(row, side);
}

Error to_error(const Judgement& judgement, std::string_view sale, std::string_view database) {
  std::string text = fmt::format("sale {}: {}", sale, judgement.why);
  switch (judgement.standing) {
    case Standing::no_primary:
      return {ErrorCode::disconnected, Effect::none, std::move(text)};
    case Standing::fenced:
      return {ErrorCode::refused, Effect::none, std::move(text) + ": reconcile"};
    case Standing::went_back:
    case Standing::foreign:
      return {ErrorCode::conflict, Effect::none, fmt::format("{} (database: {})", text, database)};
    case Standing::not_ours:
      return {ErrorCode::unsupported, Effect::none, std::move(text)};
    case Standing::good:
      break;
  }
  return {ErrorCode::internal, Effect::none, std::move(text)};
}

}  // namespace flashsale::engine
