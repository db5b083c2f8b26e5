// Every enumerator's one spelling, and how ids and errors are printed.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "core/positions.hpp"
#include "flashsale/error.hpp"
#include "flashsale/log.hpp"
#include "flashsale/order_queue.hpp"
#include "flashsale/order_sink.hpp"
#include "flashsale/outcome.hpp"
#include "flashsale/sale_controller.hpp"
#include "flashsale/types.hpp"
#include "flashsale/version.hpp"

namespace flashsale {
namespace {

template <class Enum, std::size_t N>
using Names = std::array<std::pair<Enum, std::string_view>, N>;

template <class Enum, std::size_t N>
std::string_view look_up(const Names<Enum, N>& names, Enum value) {
  for (const auto& [key, text] : names)
    if (key == value) return text;
  return "?";
}

template <class Enum, std::size_t N>
std::optional<Enum> look_up(const Names<Enum, N>& names, std::string_view text) {
  for (const auto& [key, word] : names)
    if (word == text) return key;
  return std::nullopt;
}

constexpr Names<SaleState, 7> kSaleStates{{{SaleState::creating, "creating"},
                                           {SaleState::created, "created"},
                                           {SaleState::open, "open"},
                                           {SaleState::paused, "paused"},
                                           {SaleState::draining, "draining"},
                                           {SaleState::closed, "closed"},
                                           {SaleState::retired, "retired"}}};

constexpr Names<OrderState, 4> kOrderStates{{{OrderState::reserved, "reserved"},
                                             {OrderState::confirmed, "confirmed"},
                                             {OrderState::released, "released"},
                                             {OrderState::expired, "expired"}}};
constexpr Names<DeadFate, 3> kDeadFates{
    {{DeadFate::dead, "dead"}, {DeadFate::retried, "retried"}, {DeadFate::dropped, "dropped"}}};

}  // namespace

std::string_view name(Outcome outcome) {
  static constexpr Names<Outcome, 15> kNames{{{Outcome::reserved, "reserved"},
                                              {Outcome::already_reserved, "already_reserved"},
                                              {Outcome::confirmed, "confirmed"},
                                              {Outcome::already_confirmed, "already_confirmed"},
                                              {Outcome::released, "released"},
                                              {Outcome::already_released, "already_released"},
                                              {Outcome::expired, "expired"},
                                              {Outcome::pending, "pending"},
                                              {Outcome::not_reserved, "not_reserved"},
                                              {Outcome::dead, "dead"},
                                              {Outcome::not_started, "not_started"},
                                              {Outcome::paused, "paused"},
                                              {Outcome::ended, "ended"},
                                              {Outcome::limit_reached, "limit_reached"},
                                              {Outcome::sold_out, "sold_out"}}};
  return look_up(kNames, outcome);
}

std::string_view name(ErrorCode code) {
  static constexpr Names<ErrorCode, 13> kNames{{{ErrorCode::invalid_argument, "invalid_argument"},
                                                {ErrorCode::not_found, "not_found"},
                                                {ErrorCode::conflict, "conflict"},
                                                {ErrorCode::busy, "busy"},
                                                {ErrorCode::timed_out, "timed_out"},
                                                {ErrorCode::disconnected, "disconnected"},
                                                {ErrorCode::refused, "refused"},
                                                {ErrorCode::lost, "lost"},
                                                {ErrorCode::unsupported, "unsupported"},
                                                {ErrorCode::protocol, "protocol"},
                                                {ErrorCode::closed, "closed"},
                                                {ErrorCode::forked, "forked"},
                                                {ErrorCode::internal, "internal"}}};
  return look_up(kNames, code);
}

std::string_view name(Effect effect) { return effect == Effect::none ? "none" : "unknown"; }

std::string_view name(Level level) {
  static constexpr Names<Level, 4> kNames{{{Level::usual, "usual"},
                                           {Level::primary, "primary"},
                                           {Level::replicas, "replicas"},
                                           {Level::database, "database"}}};
  return look_up(kNames, level);
}

std::string_view name(Verb verb) {
  static constexpr Names<Verb, 5> kNames{{{Verb::reserve, "reserve"},
                                          {Verb::confirm, "confirm"},
                                          {Verb::release, "release"},
                                          {Verb::resolve, "resolve"},
                                          {Verb::status, "status"}}};
  return look_up(kNames, verb);
}

std::string_view name(PauseReason reason) {
  static constexpr Names<PauseReason, 4> kNames{{{PauseReason::none, "none"},
                                                 {PauseReason::operator_paused, "operator"},
                                                 {PauseReason::fenced, "fenced"},
                                                 {PauseReason::draining, "draining"}}};
  return look_up(kNames, reason);
}

std::string_view name(EntryKind kind) {
  static constexpr Names<EntryKind, 13> kNames{{{EntryKind::create, "create"},
                                                {EntryKind::open, "open"},
                                                {EntryKind::pause, "pause"},
                                                {EntryKind::resume, "resume"},
                                                {EntryKind::schedule, "schedule"},
                                                {EntryKind::close, "close"},
                                                {EntryKind::drain, "drain"},
                                                {EntryKind::restock, "restock"},
                                                {EntryKind::reserve, "reserve"},
                                                {EntryKind::confirm, "confirm"},
                                                {EntryKind::release, "release"},
                                                {EntryKind::expire, "expire"},
                                                {EntryKind::reopen, "reopen"}}};
  return look_up(kNames, kind);
}

std::string_view name(LogLevel level) {
  static constexpr Names<LogLevel, 3> kNames{
      {{LogLevel::info, "info"}, {LogLevel::warning, "warning"}, {LogLevel::alarm, "alarm"}}};
  return look_up(kNames, level);
}

std::string_view name(QueueMode mode) { return mode == QueueMode::journal ? "journal" : "list"; }
std::string_view name(SaleState state) { return look_up(kSaleStates, state); }
std::string_view name(OrderState state) { return look_up(kOrderStates, state); }
std::string_view name(DeadFate fate) { return look_up(kDeadFates, fate); }
std::optional<DeadFate> dead_fate(std::string_view text) { return look_up(kDeadFates, text); }
std::optional<SaleState> sale_state(std::string_view text) { return look_up(kSaleStates, text); }
std::optional<OrderState> order_state(std::string_view text) { return look_up(kOrderStates, text); }

bool holds_stock(Outcome outcome) {
  return outcome == Outcome::reserved || outcome == Outcome::already_reserved || outcome == Outcome::confirmed ||
         outcome == Outcome::already_confirmed;
}

bool Error::retryable() const {
  switch (code) {
    case ErrorCode::busy:
    case ErrorCode::timed_out:
    case ErrorCode::disconnected:
    case ErrorCode::refused:
    case ErrorCode::lost:
    case ErrorCode::protocol:
      return true;
    default:
      return effect == Effect::unknown;
  }
}

std::string to_string(const Error& error) {
  return fmt::format("{}: {}{}", name(error.code), error.detail,
                     error.effect == Effect::unknown ? " (effect unknown)" : "");
}

std::string to_string(Position at) { return fmt::format("{}-{}", at.epoch, at.seq); }

std::string to_string(OrderId order) {
  return order ? fmt::format("{}-{}.{}", order.at.epoch, order.at.seq, order.index) : std::string();
}

std::optional<OrderId> order_id(std::string_view text) { return core::to_order_id(text); }

std::string_view version() {
#define FLASHSALE_TEXT_(x) #x
#define FLASHSALE_TEXT(x) FLASHSALE_TEXT_(x)
  return FLASHSALE_TEXT(FLASHSALE_VERSION_MAJOR) "." FLASHSALE_TEXT(FLASHSALE_VERSION_MINOR) "." FLASHSALE_TEXT(
      FLASHSALE_VERSION_PATCH);
}

}  // namespace flashsale
