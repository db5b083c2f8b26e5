// The operator's acts, one function each.
#include <algorithm>

#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/records.hpp"
#include "core/checks.hpp"

using namespace flashsale::capi;
using flashsale::Done;
using flashsale::ErrorCode;
using flashsale::ItemId;
using flashsale::Result;
using flashsale::Role;
using flashsale::SaleController;
using flashsale::SaleId;

namespace {

constexpr std::uint32_t kPatienceMax = 600'000;

/// An act that names a sale and nothing else.
int32_t act(Result<Done> (SaleController::*verb)(SaleId), flashsale_controller_t* controller, const char* sale,
            size_t sale_size, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    SaleController& sales = need(controller).controller;
    need((sales.*verb)(SaleId{text(sale, sale_size, "sale")}));
    return 0;
  });
}

/// An act that has its own deadline.
int32_t act_until(Result<Done> (SaleController::*verb)(SaleId, flashsale::Deadline), flashsale_controller_t* controller,
                  const char* sale, size_t sale_size, uint32_t timeout_ms, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    SaleController& sales = need(controller).controller;
    const SaleId id{text(sale, sale_size, "sale")};
    const auto timeout = span(timeout_ms, kPatienceMax, "timeout_ms");
    need((sales.*verb)(id, flashsale::Deadline::clock::now() + timeout));
    return 0;
  });
}

std::optional<std::int64_t> time_or_unchanged(std::int64_t ms, const char* name) {
  if (ms == FLASHSALE_UNCHANGED) return std::nullopt;
  if (ms < 0)
    refuse(ErrorCode::invalid_argument, std::string(name) + " must not be negative, is " + std::to_string(ms));
  return ms;
}

flashsale_status_t to_record(const flashsale::SaleStatus& status) {
  flashsale_status_t record = FLASHSALE_STATUS_INIT;
  record.state = static_cast<int32_t>(status.state);
  record.queue = static_cast<int32_t>(status.queue);
  record.fenced = status.fenced ? 1 : 0;
  record.now_ms = status.now_ms;
  record.opens_ms = status.opens_ms;
  record.closes_ms = status.closes_ms;
  record.hold_ms = status.hold_ms;
  record.probe_ms = status.probe_ms;
  record.replicas = status.replicas;
  record.buyer_orders_max = status.buyer_orders_max;
  record.at_epoch = status.at.epoch;
  record.at_seq = status.at.seq;
  record.watermark_epoch = status.watermark.epoch;
  record.watermark_seq = status.watermark.seq;
  record.waiting = status.waiting;
  record.item_count = static_cast<uint32_t>(status.items.size());
  copy_out(status.phase(), record.phase);
  record.held = status.held;
  return record;
}

flashsale_item_t to_record(const flashsale::SaleStatus::Item& item) {
  flashsale_item_t record{};
  copy_out(item.item, record.item);
  record.total = item.total;
  record.booked = item.booked;
  record.limit = item.limit;
  return record;
}

}  // namespace

extern "C" {

int32_t flashsale_controller_create(flashsale_pool_t* pool, flashsale_sink_t* sink, const flashsale_options_t* options,
                                    flashsale_controller_t** controller_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(controller_out, "controller_out");
    const Values& values = options == nullptr ? default_values() : need(options).values;
    const auto database = sink == nullptr ? nullptr : need(sink).sink;
    out = new flashsale_controller_t(SaleController(need(pool).pool, database, values.controller));
    return 0;
  });
}

void flashsale_controller_destroy(flashsale_controller_t** controller) { destroy(controller); }

int32_t flashsale_controller_create_sale(flashsale_controller_t* controller, const flashsale_sale_t* sale,
                                         flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    SaleController& sales = need(controller).controller;
    need(sales.create(need(sale).sale));
    return 0;
  });
}

int32_t flashsale_controller_preload(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                     const char* item, size_t item_size, const char* info, size_t info_size,
                                     flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    SaleController& sales = need(controller).controller;
    need(sales.preload(SaleId{text(sale, sale_size, "sale")}, ItemId{text(item, item_size, "item")},
                       text(info, info_size, "info")));
    return 0;
  });
}

int32_t flashsale_controller_open(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                  flashsale_error_t** error) {
  return act(&SaleController::open, controller, sale, sale_size, error);
}

int32_t flashsale_controller_schedule(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                      int64_t opens_ms, int64_t closes_ms, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    SaleController& sales = need(controller).controller;
    const SaleId id{text(sale, sale_size, "sale")};
    const auto opens = time_or_unchanged(opens_ms, "opens_ms");
    const auto closes = time_or_unchanged(closes_ms, "closes_ms");
    need(sales.schedule(id, opens, closes));
    return 0;
  });
}

int32_t flashsale_controller_pause(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                   flashsale_error_t** error) {
  return act(&SaleController::pause, controller, sale, sale_size, error);
}

int32_t flashsale_controller_resume(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                    flashsale_error_t** error) {
  return act(&SaleController::resume, controller, sale, sale_size, error);
}

int32_t flashsale_controller_drain(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                   flashsale_error_t** error) {
  return act(&SaleController::drain, controller, sale, sale_size, error);
}

int32_t flashsale_controller_close(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                   flashsale_error_t** error) {
  return act(&SaleController::close, controller, sale, sale_size, error);
}

int32_t flashsale_controller_restock(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                     const char* item, size_t item_size, int64_t units, const char* operation,
                                     size_t operation_size, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    SaleController& sales = need(controller).controller;
    need(sales.restock(SaleId{text(sale, sale_size, "sale")}, ItemId{text(item, item_size, "item")}, units,
                       flashsale::OperationId{text(operation, operation_size, "operation")}));
    return 0;
  });
}

int32_t flashsale_controller_retire(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                    flashsale_error_t** error) {
  return act(&SaleController::retire, controller, sale, sale_size, error);
}

int32_t flashsale_controller_status(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                    int32_t from, flashsale_status_t* status_out, flashsale_item_t* items_out,
                                    size_t item_size, size_t capacity, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    clear(status_out, "status_out");
    SaleController& sales = need(controller).controller;
    const SaleId id{text(sale, sale_size, "sale")};
    if (from != FLASHSALE_ROLE_PRIMARY && from != FLASHSALE_ROLE_REPLICA)
      refuse(ErrorCode::invalid_argument, "from must be 0 or 1, is " + std::to_string(from));
    if (items_out != nullptr) need_size<flashsale_item_t>(item_size, "item_size");
    const auto status = need(sales.status(id, static_cast<Role>(from)));
    write(status_out, to_record(status));
    const std::size_t count = items_out == nullptr ? 0 : std::min(capacity, status.items.size());
    for (std::size_t i = 0; i < count; ++i) write_element(items_out, item_size, i, to_record(status.items[i]));
    return 0;
  });
}

int32_t flashsale_controller_info(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                  const char* item, size_t item_size, char* text_out, size_t capacity, size_t* size_out,
                                  flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    need_buffer(text_out, capacity, size_out);
    need_out(size_out, "size_out");
    SaleController& sales = need(controller).controller;
    const auto wanted = text(item, item_size, "item");
    if (auto defect = flashsale::core::check_item(wanted)) refuse(ErrorCode::invalid_argument, std::move(*defect));
    for (const auto& [name, info] : need(sales.info(SaleId{text(sale, sale_size, "sale")}))) {
      if (name != wanted) continue;
      copy_out(info, text_out, capacity, size_out);
      return 0;
    }
    refuse(ErrorCode::not_found, "nothing was preloaded for this item");
  });
}

int32_t flashsale_controller_reconcile(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                       uint32_t timeout_ms, flashsale_error_t** error) {
  return act_until(&SaleController::reconcile, controller, sale, sale_size, timeout_ms, error);
}

int32_t flashsale_controller_reopen_accepting_loss(flashsale_controller_t* controller, const char* sale,
                                                   size_t sale_size, uint32_t timeout_ms, flashsale_error_t** error) {
  return act_until(&SaleController::reopen_accepting_loss, controller, sale, sale_size, timeout_ms, error);
}
}
