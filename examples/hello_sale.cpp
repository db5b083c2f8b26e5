/// The smallest flash sale: one item, one buyer. Usage: hello_sale [REDIS-URL [DATABASE]]
#include <flashsale/flashsale.hpp>
#include <iostream>

using namespace flashsale;

int main(int argc, char** argv) {
  auto pool = make_pool(argc > 1 ? argv[1] : "redis://127.0.0.1:6379").value();  // parses; the first call connects
  auto sink = make_sink(argc > 2 ? argv[2] : "orders.db").value();               // SQLite
  SaleController sales(pool, sink);
  StockGate gate(pool);
  sales.create(Sale{SaleId{"spring"}}.item(ItemId{"sneaker-42"}, /*units*/ 100, /*limit*/ 2)).value();
  sales.open(SaleId{"spring"}).value();

  auto answer = gate.reserve({SaleId{"spring"}, ItemId{"sneaker-42"}, BuyerId{"ann"}, RequestId{"click-1"}});
  if (!answer) {
    std::cerr << to_string(answer.error()) << "\n";  // the error's effect: none or unknown
    return 4;
  }
  if (answer->holds_stock())
    std::cout << to_string(answer->order) << "\n";  // for instance 1-2.0
  else
    std::cout << name(answer->outcome) << "\n";  // for instance sold_out
}
