/* What most tests need: a pool, a SQLite sink, a controller and a gate, and a sale that is open. */
#ifndef FLASHSALE_TESTS_CAPI_SHOP_H
#define FLASHSALE_TESTS_CAPI_SHOP_H

#include "check.h"

struct shop {
  flashsale_pool_t* pool;
  flashsale_sink_t* sink;
  flashsale_controller_t* controller;
  flashsale_gate_t* gate;
};

/* Makes all four against the private server; nothing is used yet. */
struct shop shop_create(void);
/* Creates the sale "spring" with `units` of "sneaker", at most `limit` to one buyer, and opens it. */
void shop_open_sale(const struct shop* shop, int64_t units, int64_t limit);
/* A call of "spring" for the item "sneaker". `buyer` and `request` must outlive it. */
flashsale_call_t shop_call(const char* buyer, const char* request);
void shop_destroy(struct shop* shop);

#endif
