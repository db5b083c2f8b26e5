/// What to do when an answer got lost: ask again with the same request, and look it up if that fails too.
/// Needs the sale that hello_sale made. Usage: retry_after_unknown [REDIS-URL]
#include <flashsale/flashsale.hpp>
#include <iostream>
#include <string>

using namespace flashsale;

namespace {

/// The request is made once for each purchase intent and kept before the first call, in a cookie or a row of your own:
/// asked twice with it, one buyer gets one order. A new request would be a second purchase.
Result<Answer> buy(StockGate& gate, Call call) {
  Result<Answer> answer = gate.reserve(call);
  for (int tries = 1; tries < 3 && !answer && answer.error().effect == Effect::unknown; ++tries)
    answer = gate.reserve(call);  // already_reserved is a yes: it was the lost answer
  return answer;
}

/// Later, or in another process that only knows the ids: did it win?
Result<Answer> look_up(StockGate& gate, const Call& call) {
  return gate.resolve({call.sale, call.buyer, call.request});
}

}  // namespace

int main(int argc, char** argv) {
  const auto pool = make_pool(argc > 1 ? argv[1] : "redis://127.0.0.1:6379");
  if (!pool) {
    std::cerr << to_string(pool.error()) << "\n";
    return 1;
  }
  StockGate gate(*pool);
  const Call call{SaleId{"spring"}, ItemId{"sneaker-42"}, BuyerId{"bob"}, RequestId{"click-2"}};

  Call in_a_hurry = call;
  in_a_hurry.timeout = milliseconds{1};  // so short that its answer may well be lost
  static_cast<void>(gate.reserve(in_a_hurry));

  const auto answer = buy(gate, call);
  const auto found = look_up(gate, call);
  if (!answer || !found) {
    std::cerr << to_string(answer ? found.error() : answer.error()) << "\n";
    return 1;
  }
  std::cout << name(answer->outcome) << " " << to_string(answer->order) << "\n";
  return answer->order == found->order ? 0 : 1;  // one request, one order, however often it is asked
}
