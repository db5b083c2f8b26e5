#include "sinks/sqlite/schema.hpp"

#include <fmt/format.h>

#include <chrono>
#include <iterator>
#include <thread>

#include "sinks/sqlite/connection.hpp"
#include "util/random.hpp"

namespace flashsale::sinks {
namespace {

constexpr std::int64_t kApplicationId = 0x66736c65;  // "fsle", as file(1) would show it

// Step i brings version i to i + 1; a released step is never edited.
//
// flashsale_order keeps its rowid. Clustered by buyer it is read four times faster when a sale is rebuilt, but each
// payload of 1 KiB then spills into a page of its own and inserting takes three times as long. Keyed by id without a
// rowid it does both more slowly. `lim` stands beside `held` so that its check needs no other row.
constexpr const char* kSteps[] = {R"sql(
create table flashsale_schema (sink_id text not null);
create table flashsale_sale (
  sale text primary key, state text not null, uuid text not null, opens_ms integer not null,
  closes_ms integer not null, hold_ms integer not null, probe_ms integer not null, replicas integer not null,
  buyer_orders_max integer not null, fence_epoch integer not null, watermark_epoch integer not null,
  watermark_seq integer not null, link text not null, rec_uuid text not null, rec_beat_ms integer not null
) without rowid;
create table flashsale_item (
  sale text not null, idx integer not null, item text not null, total integer not null, lim integer not null,
  sold integer not null, primary key (sale, item), unique (sale, idx), check (sold between 0 and total)
) without rowid;
create table flashsale_order (
  sale text not null, epoch integer not null, seq integer not null, idx integer not null, buyer text not null,
  item text not null, quantity integer not null, request text not null, state text not null,
  credited integer not null, payload blob not null,
  primary key (sale, epoch, seq, idx), unique (sale, buyer, request), check (quantity > 0)
);
create index flashsale_order_uncredited on flashsale_order (sale, epoch, seq, idx) where credited = 0;
create table flashsale_holding (
  sale text not null, buyer text not null, item text not null, held integer not null, lim integer not null,
  primary key (sale, buyer, item), check (held between 0 and lim)
) without rowid;
create table flashsale_dead (
  sale text not null, epoch integer not null, seq integer not null, idx integer not null, buyer blob not null,
  item blob not null, quantity integer not null, request blob not null, payload blob not null, reason text not null,
  at_epoch integer not null, at_seq integer not null, told integer not null,
  primary key (sale, epoch, seq, idx)
);
create table flashsale_operation (
  sale text not null, operation text not null, item text not null, units integer not null,
  primary key (sale, operation)
) without rowid;
)sql",
                                  R"sql(
alter table flashsale_order add column hold_until_ms integer not null default 0;
alter table flashsale_dead add column hold_until_ms integer not null default 0;
alter table flashsale_dead add column fate text not null default 'dead';
)sql",
                                  R"sql(
create table flashsale_receipt (
  sale text not null, act integer not null, epoch integer not null, seq integer not null, idx integer not null,
  at_epoch integer not null, at_seq integer not null, buyer text not null, item text not null,
  quantity integer not null, request text not null, payload blob not null, hold_until_ms integer not null,
  primary key (sale, act, epoch, seq, idx)
);
create table flashsale_receipt_holder (
  sale text not null, holder text not null, beat_ms integer not null, handed_epoch integer not null,
  primary key (sale, holder)
) without rowid;
)sql",
                                  R"sql(
create table flashsale_repair (
  sale text not null, repair text not null, place integer not null, made_by text not null, at_ms integer not null,
  item text not null, difference integer not null, epoch integer not null, seq integer not null, idx integer not null,
  buyer blob not null, request blob not null, why blob not null, done_epoch integer not null,
  primary key (sale, repair, place)
) without rowid;
)sql"};
constexpr std::int64_t kVersion = std::size(kSteps);

/// The version of the file's schema; 0 if it has none yet.
std::int64_t read_version(Connection& connection) {
  Query query(connection, "select application_id, user_version from pragma_application_id, pragma_user_version");
  query.next();
  const std::int64_t application = query.integer(0);
  const std::int64_t version = query.integer(1);
  if (application != kApplicationId && (application != 0 || version != 0)) {
    fail_with(ErrorCode::refused, connection.path() + " belongs to another application");
  }
  if (version > kVersion) {
    fail_with(ErrorCode::unsupported, fmt::format("{} has schema version {}, this library knows up to {}",
                                                  connection.path(), version, kVersion));
  }
  return version;
}

/// SQLite gives up at once, without asking its busy handler, if two connections switch the mode together.
void log_ahead(Connection& connection) {
  for (;;) {
    try {
      Query query(connection, "pragma journal_mode = wal");
      query.next();
      if (query.bytes(0) != "wal") fail_with(ErrorCode::refused, connection.path() + " cannot have a write-ahead log");
      return;
    } catch (const Failure& failure) {
      if (failure.error.code != ErrorCode::busy || std::chrono::steady_clock::now() >= connection.deadline()) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
}

void migrate(Connection& connection) {
  connection.execute("begin immediate");
  const std::int64_t found = read_version(connection);  // another process may have been faster
  for (std::int64_t version = found; version < kVersion; ++version) connection.execute(kSteps[version]);
  if (found == 0) {
    const std::string sink_id = util::random_hex(16);
    Query(connection, "insert into flashsale_schema (sink_id) values (?)", std::string_view(sink_id)).run();
  }
  const std::string stamp =
      fmt::format("pragma application_id = {}; pragma user_version = {}; commit", kApplicationId, kVersion);
  connection.execute(stamp.c_str());
}

}  // namespace

void prepare_schema(Connection& connection) {
  const std::int64_t version = read_version(connection);
  log_ahead(connection);
  if (version < kVersion) migrate(connection);
}

}  // namespace flashsale::sinks
