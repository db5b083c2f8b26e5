#include "sinks/postgres/schema.hpp"

#include <fmt/format.h>

#include <iterator>
#include <vector>

#include "sinks/postgres/connection.hpp"
#include "util/random.hpp"

namespace flashsale::sinks::postgres {
namespace {

// Ids are ASCII: collation "C" compares their bytes, which is faster and the same on every machine. What was set aside
// may be any bytes. A sale's row and its items are written with each commit: room in their pages keeps them there.
const std::vector<const char*> kFirst = {
    "create schema if not exists flashsale",
    "create table flashsale_schema (version bigint not null, sink_id text not null)",
    R"sql(create table flashsale_sale (
  sale text collate "C" primary key, state text not null, uuid text not null, opens_ms bigint not null,
  closes_ms bigint not null, hold_ms bigint not null, probe_ms bigint not null, replicas bigint not null,
  buyer_orders_max bigint not null, fence_epoch bigint not null, watermark_epoch bigint not null,
  watermark_seq bigint not null, link text not null, rec_uuid text not null, rec_beat_ms bigint not null
) with (fillfactor = 20))sql",
    R"sql(create table flashsale_item (
  sale text collate "C" not null, idx integer not null, item text collate "C" not null, total bigint not null,
  lim bigint not null, sold bigint not null, primary key (sale, item), unique (sale, idx),
  constraint flashsale_item_sold check (sold between 0 and total)
) with (fillfactor = 20))sql",
    R"sql(create table flashsale_order (
  sale text collate "C" not null, epoch bigint not null, seq bigint not null, idx integer not null,
  buyer text collate "C" not null, item text collate "C" not null, quantity integer not null,
  request text collate "C" not null, state text not null, credited boolean not null, payload bytea not null,
  primary key (sale, epoch, seq, idx), unique (sale, buyer, request), check (quantity > 0)
))sql",
    "create index flashsale_order_uncredited on flashsale_order (sale, epoch, seq, idx) where not credited",
    R"sql(create table flashsale_holding (
  sale text collate "C" not null, buyer text collate "C" not null, item text collate "C" not null,
  held bigint not null, lim bigint not null, primary key (sale, buyer, item),
  constraint flashsale_holding_held check (held between 0 and lim)
))sql",
    R"sql(create table flashsale_dead (
  sale text collate "C" not null, epoch bigint not null, seq bigint not null, idx bigint not null,
  buyer bytea not null, item bytea not null, quantity bigint not null, request bytea not null, payload bytea not null,
  reason text not null, at_epoch bigint not null, at_seq bigint not null, told boolean not null,
  primary key (sale, epoch, seq, idx)
))sql",
    R"sql(create table flashsale_operation (
  sale text collate "C" not null, operation text collate "C" not null, item text not null, units bigint not null,
  primary key (sale, operation)
))sql"};

const std::vector<const char*> kHoldsAndFates = {
    "alter table flashsale_order add column hold_until_ms bigint not null default 0",
    "alter table flashsale_dead add column hold_until_ms bigint not null default 0, "
    "add column fate text not null default 'dead'"};

const std::vector<const char*> kReceipts = {
    R"sql(create table flashsale_receipt (
  sale text collate "C" not null, act integer not null, epoch bigint not null, seq bigint not null,
  idx integer not null, at_epoch bigint not null, at_seq bigint not null, buyer text not null, item text not null,
  quantity bigint not null, request text not null, payload bytea not null, hold_until_ms bigint not null,
  primary key (sale, act, epoch, seq, idx)
))sql",
    R"sql(create table flashsale_receipt_holder (
  sale text collate "C" not null, holder text collate "C" not null, beat_ms bigint not null,
  handed_epoch bigint not null, primary key (sale, holder)
))sql"};

// Of a stranger's order in Redis neither buyer nor request need be text.
const std::vector<const char*> kRepairs = {
    R"sql(create table flashsale_repair (
  sale text collate "C" not null, repair text collate "C" not null, place integer not null, made_by text not null,
  at_ms bigint not null, item text not null, difference bigint not null, epoch bigint not null, seq bigint not null,
  idx bigint not null, buyer bytea not null, request bytea not null, why bytea not null, done_epoch bigint not null,
  primary key (sale, repair, place)
))sql"};

// Step i brings version i to i + 1; a released step is never edited.
const std::vector<const char*>* const kSteps[] = {&kFirst, &kHoldsAndFates, &kReceipts, &kRepairs};
constexpr std::int64_t kVersion = std::size(kSteps);

/// The version of the database's schema; 0 if it has none yet.
std::int64_t read_version(Connection& connection) {
  // Not by to_regclass: within a transaction it may remember that there was no such table before the lock was ours.
  const Rows tables =
      connection.run({"select from pg_tables where schemaname = 'flashsale' and tablename = 'flashsale_schema'"});
  if (tables.size() == 0) return 0;
  const Rows rows = connection.run({"select version from flashsale.flashsale_schema"});
  const std::int64_t version = rows.size() == 1 ? rows.integer(0, 0) : 0;
  if (version < 1) fail_with(ErrorCode::refused, connection.name() + " has lost its schema's version");
  if (version > kVersion) {
    fail_with(ErrorCode::unsupported, fmt::format("{} has schema version {}, this library knows up to {}",
                                                  connection.name(), version, kVersion));
  }
  return version;
}

void migrate(Connection& connection) {
  connection.begin(OrderSink::Access::write);
  connection.run({"select pg_advisory_xact_lock(1718840421, 0)"});
  const std::int64_t found = read_version(connection);  // another process may have been faster
  for (std::int64_t version = found; version < kVersion; ++version) {
    for (const char* statement : *kSteps[version]) connection.run({statement});
  }
  if (found == 0) {
    const std::string sink_id = util::random_hex(16);
    connection.run({"insert into flashsale_schema (version, sink_id) values ($1, $2)",
                    Values(kVersion, std::string_view(sink_id))});
  } else {
    connection.run({"update flashsale_schema set version = $1", Values(kVersion)});
  }
  connection.run({"commit"});
}

}  // namespace

void prepare_schema(Connection& connection) {
  if (read_version(connection) < kVersion) migrate(connection);
}

}  // namespace flashsale::sinks::postgres
