// The constants of the header, held against those of C++ and listed with their names.
#include <fmt/format.h>

#include <vector>

#include "capi/guard.hpp"
#include "flashsale/log.hpp"
#include "flashsale/metrics.hpp"
#include "flashsale/order_sink.hpp"
#include "flashsale/version.hpp"

namespace flashsale::capi {
namespace {

#define FLASHSALE_SAME(c_value, cpp_value) static_assert((c_value) == static_cast<int>(cpp_value))
FLASHSALE_SAME(FLASHSALE_RESERVED, Outcome::reserved);
FLASHSALE_SAME(FLASHSALE_ALREADY_RESERVED, Outcome::already_reserved);
FLASHSALE_SAME(FLASHSALE_CONFIRMED, Outcome::confirmed);
FLASHSALE_SAME(FLASHSALE_ALREADY_CONFIRMED, Outcome::already_confirmed);
FLASHSALE_SAME(FLASHSALE_RELEASED, Outcome::released);
FLASHSALE_SAME(FLASHSALE_ALREADY_RELEASED, Outcome::already_released);
FLASHSALE_SAME(FLASHSALE_EXPIRED, Outcome::expired);
FLASHSALE_SAME(FLASHSALE_PENDING, Outcome::pending);
FLASHSALE_SAME(FLASHSALE_NOT_RESERVED, Outcome::not_reserved);
FLASHSALE_SAME(FLASHSALE_DEAD, Outcome::dead);
FLASHSALE_SAME(FLASHSALE_NOT_STARTED, Outcome::not_started);
FLASHSALE_SAME(FLASHSALE_PAUSED, Outcome::paused);
FLASHSALE_SAME(FLASHSALE_ENDED, Outcome::ended);
FLASHSALE_SAME(FLASHSALE_LIMIT_REACHED, Outcome::limit_reached);
FLASHSALE_SAME(FLASHSALE_SOLD_OUT, Outcome::sold_out);
FLASHSALE_SAME(FLASHSALE_E_INVALID_ARGUMENT, ErrorCode::invalid_argument);
FLASHSALE_SAME(FLASHSALE_E_NOT_FOUND, ErrorCode::not_found);
FLASHSALE_SAME(FLASHSALE_E_CONFLICT, ErrorCode::conflict);
FLASHSALE_SAME(FLASHSALE_E_BUSY, ErrorCode::busy);
FLASHSALE_SAME(FLASHSALE_E_TIMED_OUT, ErrorCode::timed_out);
FLASHSALE_SAME(FLASHSALE_E_DISCONNECTED, ErrorCode::disconnected);
FLASHSALE_SAME(FLASHSALE_E_REFUSED, ErrorCode::refused);
FLASHSALE_SAME(FLASHSALE_E_LOST, ErrorCode::lost);
FLASHSALE_SAME(FLASHSALE_E_UNSUPPORTED, ErrorCode::unsupported);
FLASHSALE_SAME(FLASHSALE_E_PROTOCOL, ErrorCode::protocol);
FLASHSALE_SAME(FLASHSALE_E_CLOSED, ErrorCode::closed);
FLASHSALE_SAME(FLASHSALE_E_FORKED, ErrorCode::forked);
FLASHSALE_SAME(FLASHSALE_E_INTERNAL, ErrorCode::internal);
FLASHSALE_SAME(FLASHSALE_EFFECT_NONE, Effect::none);
FLASHSALE_SAME(FLASHSALE_EFFECT_UNKNOWN, Effect::unknown);
FLASHSALE_SAME(FLASHSALE_VERB_RESERVE, Verb::reserve);
FLASHSALE_SAME(FLASHSALE_VERB_CONFIRM, Verb::confirm);
FLASHSALE_SAME(FLASHSALE_VERB_RELEASE, Verb::release);
FLASHSALE_SAME(FLASHSALE_VERB_RESOLVE, Verb::resolve);
FLASHSALE_SAME(FLASHSALE_VERB_STATUS, Verb::status);
FLASHSALE_SAME(FLASHSALE_LEVEL_USUAL, Level::usual);
FLASHSALE_SAME(FLASHSALE_LEVEL_PRIMARY, Level::primary);
FLASHSALE_SAME(FLASHSALE_LEVEL_REPLICAS, Level::replicas);
FLASHSALE_SAME(FLASHSALE_LEVEL_DATABASE, Level::database);
FLASHSALE_SAME(FLASHSALE_REASON_NONE, PauseReason::none);
FLASHSALE_SAME(FLASHSALE_REASON_OPERATOR, PauseReason::operator_paused);
FLASHSALE_SAME(FLASHSALE_REASON_FENCED, PauseReason::fenced);
FLASHSALE_SAME(FLASHSALE_REASON_DRAINING, PauseReason::draining);
FLASHSALE_SAME(FLASHSALE_STATE_CREATING, SaleState::creating);
FLASHSALE_SAME(FLASHSALE_STATE_CREATED, SaleState::created);
FLASHSALE_SAME(FLASHSALE_STATE_OPEN, SaleState::open);
FLASHSALE_SAME(FLASHSALE_STATE_PAUSED, SaleState::paused);
FLASHSALE_SAME(FLASHSALE_STATE_DRAINING, SaleState::draining);
FLASHSALE_SAME(FLASHSALE_STATE_CLOSED, SaleState::closed);
FLASHSALE_SAME(FLASHSALE_STATE_RETIRED, SaleState::retired);
FLASHSALE_SAME(FLASHSALE_QUEUE_JOURNAL, QueueMode::journal);
FLASHSALE_SAME(FLASHSALE_QUEUE_LIST, QueueMode::list);
FLASHSALE_SAME(FLASHSALE_ROLE_PRIMARY, Role::primary);
FLASHSALE_SAME(FLASHSALE_ROLE_REPLICA, Role::replica);
FLASHSALE_SAME(FLASHSALE_LOG_INFO, LogLevel::info);
FLASHSALE_SAME(FLASHSALE_LOG_WARNING, LogLevel::warning);
FLASHSALE_SAME(FLASHSALE_LOG_ALARM, LogLevel::alarm);
FLASHSALE_SAME(FLASHSALE_FATE_DEAD, DeadFate::dead);
FLASHSALE_SAME(FLASHSALE_FATE_RETRIED, DeadFate::retried);
FLASHSALE_SAME(FLASHSALE_FATE_DROPPED, DeadFate::dropped);
#undef FLASHSALE_SAME

static_assert(FLASHSALE_VERSION ==
              (FLASHSALE_VERSION_MAJOR << 16 | FLASHSALE_VERSION_MINOR << 8 | FLASHSALE_VERSION_PATCH));
static_assert(FLASHSALE_ID_CAPACITY > kIdBytesMax && FLASHSALE_INFO_CAPACITY > kInfoBytesMax);

using Table = std::vector<flashsale_code_t>;

/// Rows for the values `first` to `last`, in steps away from 0. All names are literals, so their ends are marked.
template <class Enum>
void add(Table& table, const char* kind, Enum first, Enum last) {
  const int step = static_cast<int>(last) < 0 ? -1 : 1;
  for (int value = static_cast<int>(first); value != static_cast<int>(last) + step; value += step)
    table.push_back({kind, name(static_cast<Enum>(value)).data(), value, 0});
}

Table make_table() {
  Table table;
  add(table, "outcome", Outcome::reserved, Outcome::sold_out);
  for (flashsale_code_t& row : table) row.holds_stock = holds_stock(static_cast<Outcome>(row.value)) ? 1 : 0;
  add(table, "error", ErrorCode::invalid_argument, ErrorCode::internal);
  add(table, "effect", Effect::none, Effect::unknown);
  add(table, "verb", Verb::reserve, Verb::status);
  add(table, "level", Level::usual, Level::database);
  add(table, "reason", PauseReason::none, PauseReason::draining);
  add(table, "state", SaleState::creating, SaleState::retired);
  add(table, "queue", QueueMode::journal, QueueMode::list);
  table.push_back({"role", "primary", FLASHSALE_ROLE_PRIMARY, 0});
  table.push_back({"role", "replica", FLASHSALE_ROLE_REPLICA, 0});
  add(table, "log", LogLevel::info, LogLevel::alarm);
  add(table, "fate", DeadFate::dead, DeadFate::dropped);
  return table;
}

/// Made before main, so that asking for it needs no memory and cannot fail.
const Table codes = make_table();

}  // namespace
}  // namespace flashsale::capi

extern "C" {

uint32_t flashsale_version(void) { return FLASHSALE_VERSION; }

const char* flashsale_version_string(void) { return flashsale::version().data(); }

uint32_t flashsale_abi(void) { return FLASHSALE_ABI; }

const flashsale_code_t* flashsale_codes(size_t* count_out) {
  if (count_out != nullptr) *count_out = flashsale::capi::codes.size();
  return flashsale::capi::codes.data();
}

int32_t flashsale_metrics_text(char* text_out, size_t capacity, size_t* size_out, flashsale_error_t** error) {
  using namespace flashsale::capi;
  return guard(error, [&]() -> int32_t {
    need_buffer(text_out, capacity, size_out);
    need_out(size_out, "size_out");
    copy_out(flashsale::metrics_text(), text_out, capacity, size_out);
    return 0;
  });
}
}
