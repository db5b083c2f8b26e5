/// What a buyer does: reserve, status, confirm, cancel. Each is one submit to the gate; one thread takes all answers
/// from the completion queue and resumes their connections.
#pragma once

#include <flashsale/flashsale.hpp>
#include <memory>
#include <shared_mutex>
#include <string>
#include <thread>

#include "funnel.hpp"
#include "http.hpp"

namespace server {

/// One order's verb as the request names it; checked.
struct Asked {
  flashsale::Verb verb{};
  std::string sale, request, buyer, item{};
  std::uint32_t quantity = 1;
};

class Orders {
 public:
  Orders(std::unique_ptr<flashsale::StockGate> gate, Funnel& funnel);
  ~Orders() { close(); }

  /// Answers the exchange: at once if the gate is full, else when the gate has answered.
  void ask(Exchange& exchange, Asked asked);
  /// Answers what is under way with `closed`; later asks hear `closed` too.
  void close();

 private:
  struct Waiting;
  void drain();

  Funnel& funnel_;
  std::shared_mutex mutex_;
  std::unique_ptr<flashsale::StockGate> gate_;  // guarded by mutex_: shared to use, alone to end
  flashsale::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace server
