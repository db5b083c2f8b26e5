/// A call by its verb, for tests that draw one.
#pragma once

#include "flashsale/stock_gate.hpp"

namespace flashsale::test {

inline Result<Answer> ask(StockGate& gate, const Call& call) {
  const OrderKey key{call.sale, call.buyer, call.request};
  const CallOptions how{call.timeout, call.level};
  switch (call.verb) {
    case Verb::confirm:
      return gate.confirm(key, how);
    case Verb::release:
      return gate.release(key, how);
    case Verb::resolve:
      return gate.resolve(key, how);
    case Verb::status:
      return gate.status(key, how);
    case Verb::reserve:
      break;
  }
  return gate.reserve(call);
}

}  // namespace flashsale::test
