#include "shop.h"

#include <string.h>

#include "private_redis.h"

struct shop shop_create(void) {
  struct shop shop;
  flashsale_error_t* error = NULL;
  const char* const url = private_redis_url();
  const char* const database = private_redis_path("orders.db");
  CHECK_DONE(flashsale_pool_create(url, strlen(url), NULL, &shop.pool, &error));
  CHECK_DONE(flashsale_sink_create(database, strlen(database), &shop.sink, &error));
  CHECK_DONE(flashsale_controller_create(shop.pool, shop.sink, NULL, &shop.controller, &error));
  CHECK_DONE(flashsale_gate_create_with_sink(shop.pool, shop.sink, NULL, &shop.gate, &error));
  return shop;
}

void shop_open_sale(const struct shop* shop, int64_t units, int64_t limit) {
  flashsale_error_t* error = NULL;
  flashsale_sale_t* sale = NULL;
  CHECK_DONE(flashsale_sale_create(FLASHSALE_TEXT("spring"), NULL, &sale, &error));
  CHECK_DONE(flashsale_sale_item(sale, FLASHSALE_TEXT("sneaker"), units, limit, &error));
  CHECK_DONE(flashsale_controller_create_sale(shop->controller, sale, &error));
  CHECK_DONE(flashsale_controller_open(shop->controller, FLASHSALE_TEXT("spring"), &error));
  flashsale_sale_destroy(&sale);
}

flashsale_call_t shop_call(const char* buyer, const char* request) {
  flashsale_call_t call = FLASHSALE_CALL_INIT;
  FLASHSALE_SET(call, sale, "spring");
  FLASHSALE_SET(call, item, "sneaker");
  call.buyer = buyer;
  call.buyer_size = strlen(buyer);
  call.request = request;
  call.request_size = strlen(request);
  call.timeout_ms = 5000; /* a loaded machine is not what is tested */
  return call;
}

void shop_destroy(struct shop* shop) {
  flashsale_pool_destroy(&shop->pool); /* the others hold it */
  flashsale_gate_destroy(&shop->gate);
  flashsale_sink_destroy(&shop->sink);
  flashsale_controller_destroy(&shop->controller);
  CHECK(shop->pool == NULL && shop->sink == NULL && shop->controller == NULL && shop->gate == NULL);
}
