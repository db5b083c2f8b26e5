/// A crowd through a gate: many calls in flight, each one asked until it has an answer.
///
///   crowd.next -> submit -> (lanes) -> drain -> crowd.hear
///                    ^                   |
///                    +---- asked again --+   the same request; safe, because reserve is idempotent
#pragma once

#include <flashsale/flashsale.hpp>

namespace cli {

/// Where calls come from, and who hears the answers. Used by one thread.
class Crowd {
 public:
  virtual ~Crowd() = default;
  /// Fills in the next call, with a tag of its own; its strings live until it was heard. False: there are no more.
  virtual bool next(flashsale::Call& call) = 0;
  /// The call with that tag, once more.
  virtual flashsale::Call again(std::uint64_t tag) = 0;
  /// The final answer; once for each call.
  virtual void hear(const flashsale::Event& event) = 0;
};

/// Sends a whole crowd and returns when each call was answered. With a gate of one lane the crowd is decided in order.
/// An error that waiting can help is asked again; after `patience` without any answer errors count as answers.
void pump(flashsale::StockGate& gate, Crowd& crowd, flashsale::milliseconds patience = flashsale::milliseconds{60'000});

}  // namespace cli
