// The terms of a sale, gathered before it is created.
#include "capi/guard.hpp"
#include "capi/handles.hpp"

using namespace flashsale::capi;

namespace {

/// One more than a sale may have, so that it is create_sale that judges, and nobody fills the memory.
constexpr std::size_t kItemsKept = flashsale::kItemCountMax + 1;

}  // namespace

extern "C" {

int32_t flashsale_sale_create(const char* id, size_t id_size, const flashsale_options_t* options,
                              flashsale_sale_t** sale_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(sale_out, "sale_out");
    const SaleOptions& terms = (options == nullptr ? default_values() : need(options).values).sale;
    flashsale::Sale sale(flashsale::SaleId{text(id, id_size, "id")});
    sale.opens_ms = terms.opens_ms;
    sale.closes_ms = terms.closes_ms;
    sale.queue = terms.queue;
    sale.hold = terms.hold;
    sale.probe = terms.probe;
    sale.replicas = terms.replicas;
    sale.buyer_orders_max = terms.buyer_orders_max;
    out = new flashsale_sale_t(std::move(sale));
    return 0;
  });
}

int32_t flashsale_sale_item(flashsale_sale_t* sale, const char* item, size_t item_size, int64_t units, int64_t limit,
                            flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    flashsale::Sale& terms = need(sale).sale;
    const flashsale::ItemId id{text(item, item_size, "item")};
    if (terms.items.size() < kItemsKept) terms.item(id, units, limit);
    return 0;
  });
}

void flashsale_sale_destroy(flashsale_sale_t** sale) { destroy(sale); }
}
