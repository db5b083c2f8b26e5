/// A sale's meta hash, read: what HGETALL fs:{S}:meta says, checked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flashsale/connection.hpp"
#include "flashsale/sale_controller.hpp"

namespace flashsale::core {

/// meta.layout: what the keys of a sale hold, and how. 2: an entry's orders are one field of the journal.
inline constexpr std::string_view kLayout = "2";

/// Everything that meta holds. Plain data.
struct SaleMeta {
  std::string uuid;
  SaleState state = SaleState::created;
  QueueMode queue = QueueMode::journal;
  std::int64_t opens_ms = 0, closes_ms = 0, reopen_ms = 0, hold_ms = 0, probe_ms = 0, last_ms = 0;
  std::uint32_t replicas = 0, buyer_orders_max = 0;
  std::uint64_t epoch = 0, seq = 0;
  std::uint64_t held = 0;  ///< orders whose hold runs; a figure to show, which nothing is decided by
  std::string hist, rec, link, sink;
  Position watermark;
  struct Item {
    std::string item;
    std::int64_t total = 0, booked = 0, limit = 0;
  };
  std::vector<Item> items;
};

/// Whether a sale that a reconcile is rebuilding right now is an error, or read as far as it is there.
enum class Rebuilding : std::uint8_t { refuse, read };

/// Reads the reply of HGETALL. Errors: not_found (no such hash), unsupported (another layout), protocol (a field is
/// missing or no number), refused with a detail that says so while a reconcile is rebuilding the sale (with
/// Rebuilding::read only if it has begun on an empty Redis, so that there is nothing to read).
Result<SaleMeta> read_meta(const Reply& hgetall, Rebuilding rebuilding = Rebuilding::refuse);

/// True if the INFO replication text is of a history with this id: anchored, since after a promotion the old id is
/// still there as master_replid2.
bool is_history(std::string_view info, std::string_view hist);

/// How many replicas the INFO replication text says are connected.
std::size_t connected_replicas(std::string_view info);

/// Up to where at least `count` replicas have acknowledged what was written, by the INFO replication text; nothing if
/// fewer are in step.
std::optional<std::uint64_t> acknowledged_by(std::string_view info, std::size_t count);

/// One field of an INFO text; empty if it is not there.
std::string_view info_field(std::string_view info, std::string_view field);

}  // namespace flashsale::core
