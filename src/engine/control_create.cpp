#include <fmt/format.h>

#include "core/journal_codec.hpp"
#include "core/numbers.hpp"
#include "engine/control_acts.hpp"
#include "engine/control_terms.hpp"
#include "util/crash_point.hpp"
#include "util/random.hpp"

namespace flashsale::engine {
namespace {

tl::unexpected<Error> conflict(const ControlledSale& sale, std::string_view why) {
  return fail(ErrorCode::conflict, fmt::format("sale {} {}", sale.id, why));
}

std::string new_uuid() { return util::random_hex(8); }

/// The row as it stands before Redis is asked: the one found, or a new one in state `creating`.
Result<SaleRow> claim_row(const ControlledSale& sale, SaleRow terms) {
  auto transaction = sale.sink->begin(OrderSink::Access::write, sale.deadline);
  if (!transaction) return unexpected(std::move(transaction.error()));
  auto found = (*transaction)->lock_sale(SaleId{sale.id});
  if (!found) return unexpected(std::move(found.error()));
  if (!*found) {
    terms.uuid = new_uuid();
    if (auto put = (*transaction)->put_sale(terms); !put) return unexpected(std::move(put.error()));
    if (auto done = (*transaction)->commit(); !done) return unexpected(std::move(done.error()));
    return terms;
  }
  const SaleRow& row = **found;
  if (row.state == SaleState::retired) return conflict(sale, "was retired, and an id is never used again");
  bool same = same_terms(row, terms);
  if (row.state == SaleState::creating) {
    same = same && same_totals(row, terms) && same_schedule(row, terms);
  } else if (same && !same_totals(row, terms)) {
    // Since then it may have been restocked, as it may have been opened and scheduled: those terms are no part of
    // what makes it the same sale.
    auto operations = (*transaction)->operations(SaleId{sale.id});
    if (!operations) return unexpected(std::move(operations.error()));
    same = !operations->empty();
  }
  if (!same) return conflict(sale, "exists with other terms");
  return row;
}

/// A row past `creating`: Redis must have that very sale.
Result<Done> confirm_created(const ControlledSale& sale, const SaleRow& row) {
  const auto meta = read_sale(sale);
  if (!meta) return unexpected(meta.error());
  if (meta->uuid != row.uuid) return conflict(sale, "in Redis is another one than in the database");
  return {};
}

struct Created {
  std::uint64_t epoch = 0;
  std::string link;  ///< the nonce of the epoch's first entry
};

/// The nonce of the marker: what create.lua reports as link may by now be a later entry's.
Result<std::string> read_marker(const ControlledSale& sale, std::uint64_t epoch) {
  const std::string id = to_string(Position{epoch, 0});
  auto read = read_at_primary(*sale.pool, sale.id, {{"XRANGE", sale.keys.journal, id, id}}, sale.deadline);
  if (!read) return unexpected(std::move(read.error()));
  auto entries = core::read_entries(read->replies.back());
  if (!entries) return unexpected(std::move(entries.error()));
  if (entries->size() != 1 || !entries->front().defect.empty()) return unexpected(error_of_verdict(sale, "fenced"));
  return std::move(entries->front().nonce);
}

/// create.lua; nothing if Redis has another sale of that id.
Result<std::optional<Created>> create_in_redis(const ControlledSale& sale, const SaleRow& row, QueueMode queue,
                                               std::string_view sink_id) {
  const bool list = queue == QueueMode::list;
  ScriptCall call{
      "create",
      {sale.keys.meta, sale.keys.buyers, list ? sale.keys.orders : sale.keys.journal, sale.keys.holds, sale.keys.ops},
      create_arguments(row, queue, list ? "0" : std::to_string(row.fence_epoch), sink_id)};
  call.not_after_at = 2;
  call.nonce_at = 3;
  const auto answer = run_script(*sale.pool, sale.id, std::move(call), sale.deadline);
  if (!answer) return unexpected(answer.error());
  const auto verdict = answer->verdict();
  if (verdict == "exists") return std::nullopt;
  if (verdict != "ok" && verdict != "same") return unexpected(error_of_verdict(sale, verdict));
  const auto epoch = core::to_number<std::uint64_t>(answer->text(3));
  if (!epoch) return fail(ErrorCode::protocol, "create.lua's reply has no epoch", Effect::unknown);
  Created created{*epoch, std::string(answer->text(4))};
  if (verdict == "same" && !list) {
    auto marker = read_marker(sale, *epoch);
    if (!marker) return unexpected(std::move(marker.error()));
    created.link = std::move(*marker);
  }
  return created;
}

Result<Done> finish_row(const ControlledSale& sale, const std::string& uuid, const Created& created) {
  auto transaction = sale.sink->begin(OrderSink::Access::write, sale.deadline);
  if (!transaction) return unexpected(std::move(transaction.error()));
  auto found = (*transaction)->lock_sale(SaleId{sale.id});
  if (!found) return unexpected(std::move(found.error()));
  if (!*found || (*found)->uuid != uuid) return conflict(sale, "was changed in the database meanwhile");
  SaleRow row = std::move(**found);
  if (row.state != SaleState::creating) return {};  // another create of the same sale was faster
  row.state = first_state(row);
  row.fence_epoch = created.epoch;
  row.watermark = {created.epoch, 0};
  row.link = created.link;
  if (auto put = (*transaction)->put_sale(row); !put) return unexpected(std::move(put.error()));
  return (*transaction)->commit();
}

}  // namespace

Result<Done> create_with_journal(const ControlledSale& sale, SaleRow terms) {
  const auto sink_id = sale.sink->id(sale.deadline);
  if (!sink_id) return unexpected(sink_id.error());
  const auto row = claim_row(sale, std::move(terms));
  if (!row) return unexpected(row.error());
  if (row->state != SaleState::creating) return confirm_created(sale, *row);
  util::crash_point("create.row");
  const auto created = create_in_redis(sale, *row, QueueMode::journal, *sink_id);
  if (!created) return unexpected(created.error());
  if (!*created) return conflict(sale, "is in Redis already, and not from this database");
  util::crash_point("create.redis");
  return finish_row(sale, row->uuid, **created);
}

Result<Done> create_with_list(const ControlledSale& sale, SaleRow terms) {
  terms.uuid = new_uuid();
  const auto created = create_in_redis(sale, terms, QueueMode::list, "");
  if (!created) return unexpected(created.error());
  if (*created) return {};
  const auto meta = read_sale(sale);
  if (!meta) return unexpected(meta.error());
  auto restocks = read_at_primary(*sale.pool, sale.id, {{"HLEN", sale.keys.ops}}, sale.deadline);
  if (!restocks) return unexpected(std::move(restocks.error()));
  const SaleRow there = row_of(*meta);
  const bool restocked = restocks->replies.back().integer > 0;
  if (meta->queue != QueueMode::list || !same_terms(there, terms) || !(restocked || same_totals(there, terms)))
    return conflict(sale, "exists with other terms");
  return {};
}

}  // namespace flashsale::engine
