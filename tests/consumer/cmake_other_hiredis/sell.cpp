// A sale of one unit: RESP is decoded for each answer, by the hiredis that flashsale was built with.
#include <flashsale/flashsale.hpp>
#include <iostream>

using namespace flashsale;

extern "C" int sell(const char* url) {
  auto pool = make_pool(url).value();
  SaleController sales(pool);
  Sale sale{SaleId{"spring"}};
  sale.item(ItemId{"sneaker-42"}, 100, 2).queue = QueueMode::list;  // without a database
  sales.create(sale).value();
  sales.open(SaleId{"spring"}).value();
  StockGate gate(pool);
  const auto answer = gate.reserve({SaleId{"spring"}, ItemId{"sneaker-42"}, BuyerId{"ann"}, RequestId{"click-1"}});
  if (!answer) return std::cerr << to_string(answer.error()) << "\n", 1;
  std::cout << to_string(answer->order) << "\n";
  return gate.reserve({SaleId{"none"}, ItemId{"none"}, BuyerId{"ann"}, RequestId{"click-2"}}) ? 1 : 0;
}

#ifndef plugin_EXPORTS
int sell_somehow(const char* url) { return sell(url); }
#endif
