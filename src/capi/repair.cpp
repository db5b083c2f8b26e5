// The operator's look at what went wrong: orders set aside, and both sides compared.
#include <algorithm>

#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/records.hpp"

using namespace flashsale::capi;
using flashsale::Done;
using flashsale::ErrorCode;
using flashsale::OrderId;
using flashsale::Result;
using flashsale::SaleController;
using flashsale::SaleId;

namespace {

constexpr std::uint32_t kPatienceMax = 600'000;

flashsale_dead_t to_record(const flashsale::DeadRow& row) {
  flashsale_dead_t record{};
  copy_out(to_string(row.order.id), record.order);
  copy_out(row.order.buyer, record.buyer);
  copy_out(row.order.item, record.item);
  copy_out(row.order.request, record.request);
  copy_out(row.reason, record.reason);
  record.quantity = row.order.quantity;
  record.fate = static_cast<int32_t>(row.fate);
  return record;
}

flashsale_audit_item_t to_record(const flashsale::AuditItem& item) {
  flashsale_audit_item_t record{};
  copy_out(item.item, record.item);
  record.total = item.total;
  record.available = item.available;
  record.held = item.held;
  record.confirmed = item.confirmed;
  record.dead = item.dead;
  record.returning = item.returning;
  record.difference = item.difference();
  return record;
}

int32_t decide(Result<Done> (SaleController::*act)(SaleId, OrderId), flashsale_controller_t* controller,
               const char* sale, size_t sale_size, const char* order, size_t order_size, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    SaleController& sales = need(controller).controller;
    const SaleId id{text(sale, sale_size, "sale")};
    const auto which = flashsale::order_id(text(order, order_size, "order"));
    if (!which) refuse(ErrorCode::invalid_argument, "order must be like 1-7.0");
    need((sales.*act)(id, *which));
    return 0;
  });
}

}  // namespace

extern "C" {

int32_t flashsale_controller_dead(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                  flashsale_dead_t* rows_out, size_t row_size, size_t capacity, size_t* count_out,
                                  flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& count = need_out(count_out, "count_out");
    if (rows_out != nullptr) need_size<flashsale_dead_t>(row_size, "row_size");
    SaleController& sales = need(controller).controller;
    const auto rows = need(sales.dead(SaleId{text(sale, sale_size, "sale")}));
    count = rows.size();
    const std::size_t written = rows_out == nullptr ? 0 : std::min(capacity, rows.size());
    for (std::size_t i = 0; i < written; ++i) write_element(rows_out, row_size, i, to_record(rows[i]));
    return 0;
  });
}

int32_t flashsale_controller_dead_retry(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                        const char* order, size_t order_size, flashsale_error_t** error) {
  return decide(&SaleController::dead_retry, controller, sale, sale_size, order, order_size, error);
}

int32_t flashsale_controller_dead_drop(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                       const char* order, size_t order_size, flashsale_error_t** error) {
  return decide(&SaleController::dead_drop, controller, sale, sale_size, order, order_size, error);
}

int32_t flashsale_controller_audit(flashsale_controller_t* controller, const char* sale, size_t sale_size,
                                   int32_t repair, uint32_t timeout_ms, uint64_t* differing_out,
                                   flashsale_audit_item_t* items_out, size_t item_size, size_t capacity,
                                   flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& differing = need_out(differing_out, "differing_out");
    if (items_out != nullptr) need_size<flashsale_audit_item_t>(item_size, "item_size");
    if (repair != 0 && repair != 1)
      refuse(ErrorCode::invalid_argument, "repair must be 0 or 1, is " + std::to_string(repair));
    SaleController& sales = need(controller).controller;
    const SaleId id{text(sale, sale_size, "sale")};
    const auto timeout = span(timeout_ms, kPatienceMax, "timeout_ms");
    const auto report = need(sales.audit(id, repair == 1, flashsale::Deadline::clock::now() + timeout));
    differing = report.differing;
    const std::size_t written = items_out == nullptr ? 0 : std::min(capacity, report.items.size());
    for (std::size_t i = 0; i < written; ++i) write_element(items_out, item_size, i, to_record(report.items[i]));
    return 0;
  });
}

}  // extern "C"
