// Sells through the Redis client that a server already has: here hiredis, behind the plug of hiredis_plug.hpp.
//
//   foreign_client /path/to/redis.sock
#include <csignal>
#include <flashsale/flashsale.hpp>
#include <iostream>

#include "hiredis_plug.hpp"

using namespace flashsale;

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: foreign_client SOCKET\n", 2;
  std::signal(SIGPIPE, SIG_IGN);
  const auto pool = std::make_shared<hiredis_plug::HiredisPool>(argv[1], 4);
  SaleController sales(pool);
  Sale sale{SaleId{"foreign"}};
  sale.item(ItemId{"sneaker-42"}, 100, 2).queue = QueueMode::list;
  if (auto made = sales.create(sale); !made && made.error().code != ErrorCode::conflict)
    return std::cerr << to_string(made.error()) << "\n", 4;
  if (auto opened = sales.open(SaleId{"foreign"}); !opened) return std::cerr << to_string(opened.error()) << "\n", 4;
  StockGate gate(pool);
  const auto answer = gate.reserve({SaleId{"foreign"}, ItemId{"sneaker-42"}, BuyerId{"ann"}, RequestId{"click-1"}});
  if (!answer) return std::cerr << to_string(answer.error()) << "\n", 4;
  std::cout << name(answer->outcome) << " " << to_string(answer->order) << "\n";
}
