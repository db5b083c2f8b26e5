/// The reconcile's side of receipts: waits until the gates that hold some have handed them in, and brings back what the
/// database has not.
///
/// Only what was told under the epoch that is being closed comes back. Once a sale was opened under a later one, its
/// buyers have been judged without it: an order that reappeared then would contradict what they heard.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/receipt_rules.hpp"
#include "engine/reconcile_claim.hpp"
#include "flashsale/order_sink.hpp"
#include "util/stop.hpp"

namespace flashsale::engine {

/// Of one attempt of one reconcile, which holds the claim. A crash between any two calls is repeated from the start:
/// inserting is by order id, and receipts are forgotten only when the reconcile is finished.
class ReceiptCollector {
 public:
  ReceiptCollector(OrderSink& sink, std::string sale, ReconcileClaim& claim, const util::StopSource* stop)
      : sink_(sink), sale_(std::move(sale)), claim_(claim), stop_(stop) {}

  /// Waits for every holder that is alive, and no longer than `until`. False: the claim was lost.
  Result<bool> await(Deadline until, Deadline deadline);
  /// Applies what was handed in. False: the claim was lost.
  Result<bool> apply(Deadline deadline);
  /// Forgets what was handed in, with the transaction that ends the reconcile, and tells what is lost. Before the
  /// commit: whoever dies at it or does not hear of it could not tell any more, and an alarm that comes twice does no
  /// harm.
  Result<Done> finish(SinkTransaction& transaction);
  /// After that one was committed: counts and tells what came back.
  void report() const;

 private:
  using Page = std::vector<Receipt>;
  Result<bool> is_awaiting(Deadline deadline);
  Result<bool> learn_epoch(Deadline deadline);
  Result<bool> apply_act(Verb act, Deadline deadline);
  Result<Done> apply_page(SinkTransaction& transaction, const SaleRow& row, Verb act, const Page& page);
  Result<Done> insert(SinkTransaction& transaction, const Page& page);
  Result<Done> move(SinkTransaction& transaction, Verb act, const Page& page);

  OrderSink& sink_;
  const std::string sale_;
  ReconcileClaim& claim_;
  const util::StopSource* const stop_;

  std::uint64_t epoch_ = 0;  // the latest under which anything was told, so the one that is being closed
  std::size_t handed_ = 0;
  std::size_t orders_ = 0;  // brought back, like the next
  std::size_t moves_ = 0;
  LostReceipts lost_;
};

}  // namespace flashsale::engine
