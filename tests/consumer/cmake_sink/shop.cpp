// A program that links its database: one file, nothing to load. shop REDIS_URL
#include <flashsale/flashsale.hpp>
#include <flashsale/linked_sinks.hpp>
#include <iostream>

using namespace flashsale;

int main(int, char** argv) {
  auto pool = make_pool(argv[1]).value();
  std::shared_ptr<OrderSink> sink = sinks::make_sqlite_sink("orders.db").value();
  SaleController sales(pool, sink);
  StockGate gate(pool);
  sales.create(Sale{SaleId{"spring"}}.item(ItemId{"sneaker-42"}, 100, 2)).value();
  sales.open(SaleId{"spring"}).value();
  const auto answer = gate.reserve({SaleId{"spring"}, ItemId{"sneaker-42"}, BuyerId{"ann"}, RequestId{"click-1"}});
  OrderWorker(pool, sink).drain(Deadline::clock::now() + std::chrono::seconds(30)).value();
  std::cout << to_string(answer.value().order) << "\n";
}
