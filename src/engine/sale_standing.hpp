/// A sale as Redis has it next to the sale as the database has it, and whether the two may go on together.
/// Workers and reconcile look with the same eyes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/connection_pool.hpp"
#include "flashsale/order_queue.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

/// What one look at the primary saw, in one moment, which is what makes a missing entry provable.
struct RedisSide {
  bool is_primary = false;
  std::string history;  ///< the node's replication id
  bool has_meta = false;
  bool has_journal = false;
  std::string layout, uuid, sink, queue, state, hist, rec, epoch_text;
  std::string guard;       ///< the buyers' '#'
  bool has_holds = false;  ///< their '#' is there, like that of the next
  bool has_operations = false;
  bool reads = false;           ///< epoch, seq and watermark are there and are numbers
  Position at;                  ///< the last entry written
  Position watermark;           ///< the last entry that Redis knows to be in the database
  std::uint64_t rec_epoch = 0;  ///< the fence_epoch of the reconcile that closed the gate; 0: it is open
  Position newest;              ///< the journal's newest entry, if it was asked for
  std::vector<JournalEntry> entries;
};

/// What to look for beyond the sale itself.
struct Look {
  Position after;         ///< entries behind this one
  std::size_t count = 0;  ///< at most so many; 0: none
  bool newest = false;    ///< the journal's newest position too
};

Result<RedisSide> look_at(ConnectionPool& pool, std::string_view sale, const Look& look, Deadline deadline);

/// The sale's row, read without a lock.
Result<std::optional<SaleRow>> read_row(OrderSink& sink, std::string_view sale, Deadline deadline);

/// True if somebody else has worked on the row between the two readings, so that nothing may be concluded from what
/// was seen in Redis in between.
bool has_moved(const SaleRow& before, const SaleRow& now);

/// The highest epoch that anything of the sale in Redis bears.
std::uint64_t highest_epoch(const RedisSide& side);

enum class Standing : std::uint8_t {
  good,
  no_primary,  ///< the node cannot be judged: look again
  fenced,      ///< Redis lost something, or a reconcile is unfinished: reconcile
  went_back,   ///< Redis knows of commits that the database does not: for the operator alone
  foreign,     ///< the sale belongs to another database, or to another create
  not_ours,    ///< list mode, or a layout of another version
};

struct Judgement {
  Standing standing = Standing::good;
  std::string why;
};

/// Judges `side` against a row that no other worker moved while Redis was looked at (has_moved).
Judgement judge(const SaleRow& row, const RedisSide& side, std::string_view sink_id);

/// The error that says so; `database` is the sink's own description. Not for `good`.
Error to_error(const Judgement& judgement, std::string_view sale, std::string_view database);

}  // namespace flashsale::engine
