/// A call under way, and lists of them. Nodes are reused, so that a warm gate allocates nothing per call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/reserve_codec.hpp"
#include "engine/completion_queue_state.hpp"
#include "flashsale/error.hpp"
#include "flashsale/outcome.hpp"
#include "util/futex.hpp"

namespace flashsale::engine {

/// Where a blocking caller waits for its answer.
struct Waiter {
  util::Latch done;
  Result<Answer> result = fail(ErrorCode::internal, "no answer was given");
};

/// Which script a request needs: those that need the same one of the same sale share a batch.
enum class Errand : std::uint8_t { reserve, confirm, release, look };

class Lane;

/// Up to where replicas must have a primary's writes for what a request was told. lua/mark.lua.
struct ReplicaMark {
  std::string history;        ///< of the primary; empty: nothing is known yet
  std::uint64_t written = 0;  ///< an offset of that history
  bool is_reached = false;
};

struct Request {
  Request* next = nullptr;
  std::string text;  ///< sale, buyer, request, item and payload back to back
  std::uint8_t sale_bytes = 0, buyer_bytes = 0, request_bytes = 0, item_bytes = 0;
  Verb verb = Verb::reserve;
  Level level = Level::usual;  ///< asked for; `usual` is for the sale to tell
  std::uint32_t quantity = 0;
  bool from_replica = false;          ///< of status: may still be asked of a replica
  bool asks_view = false;             ///< never sent, and to be looked for in the view before it is
  bool checking = false;              ///< decided, and to be looked up once more before it is answered
  Answer decided{};                   ///< has an order once it was decided below its level
  Position needs{};                   ///< the entry that the database must have for `decided`
  ReplicaMark mark;                   ///< of level `replicas`: what they must have for `decided`
  Effect effect = Effect::none;       ///< unknown once any copy sent had no answer
  std::int64_t unknown_until_ms = 0;  ///< until then, by Redis' clock, such a copy may still win
  Deadline deadline{};
  Deadline not_before{};  ///< put off until then
  std::uint64_t tag = 0;
  std::shared_ptr<CompletionQueue::State> queue;  ///< of submit
  Waiter* waiter = nullptr;                       ///< of a blocking call
  Lane* home = nullptr;                           ///< owns the node

  void fill(const Call& call, Level usual, Deadline until);
  void clear();
  /// Puts it off until `time`, when the view may know its answer.
  void wait_for_view(Deadline time) {
    asks_view = true;
    not_before = time;
  }

  std::string_view sale() const { return {text.data(), sale_bytes}; }
  std::string_view buyer() const { return {text.data() + sale_bytes, buyer_bytes}; }
  std::string_view request() const { return {text.data() + sale_bytes + buyer_bytes, request_bytes}; }
  /// Sale, buyer and request together: who asks for what intent.
  std::string_view key() const { return {text.data(), std::size_t{sale_bytes} + buyer_bytes + request_bytes}; }
  std::string_view item() const { return {text.data() + key().size(), item_bytes}; }
  std::string_view payload() const { return std::string_view(text).substr(key().size() + item_bytes); }
  /// Of reserve: as much of it as a view looks at.
  Call to_call() const { return {SaleId{sale()}, ItemId{item()}, BuyerId{buyer()}, RequestId{request()}, quantity}; }
  core::Asked asked() const { return {buyer(), request(), item(), payload(), quantity}; }
  Errand errand() const;
  bool is_decided() const { return static_cast<bool>(decided.order); }
  bool waits_for_replicas() const { return level == Level::replicas; }
  /// What its caller hears: an order that was decided is `pending` where nothing more is known.
  Result<Answer> last_word(const Result<Answer>& answer) const;
};

/// Where a flight goes, and so who may board it.
struct Heading {
  std::string sale;
  Errand errand = Errand::reserve;
  bool from_replica = false;
  bool waits_for_replicas = false;
  bool asks_view = false;  ///< the first of them waited for the view; others may board all the same

  bool fits(const Request& request) const {
    return errand == request.errand() && from_replica == request.from_replica &&
           waits_for_replicas == request.waits_for_replicas() && sale == request.sale();
  }
};

/// What a walk through a list does with the request it has come to.
enum class Pick : std::uint8_t { leave, take, stop };

/// A queue of requests, linked through the requests themselves. Owns nothing.
class RequestList {
 public:
  bool empty() const { return first_ == nullptr; }
  Request* first() const { return first_; }
  std::size_t size() const { return size_; }
  void push_back(Request* request);
  void push_front(Request* request);
  Request* pop_front();
  void append(RequestList& other);
  /// Walks from the front: hands what `pick` takes to `take`, leaves the rest, ends where `pick` stops.
  template <class PickFunction, class Take>
  void extract(PickFunction pick, Take take);
  /// Moves those whose deadline has come behind `due`. Walks only if there may be one.
  void extract_due(Deadline now, RequestList& due);

 private:
  Request* first_ = nullptr;
  Request* last_ = nullptr;
  std::size_t size_ = 0;
  Deadline earliest_ = Deadline::max();  // no deadline in the list is earlier; falls as requests come, rises by a walk
};

template <class PickFunction, class Take>
void RequestList::extract(PickFunction pick, Take take) {
  Request* before = nullptr;
  for (Request* at = first_; at != nullptr;) {
    Request* const after = at->next;
    const Pick choice = pick(*at);
    if (choice == Pick::stop) return;
    if (choice == Pick::leave) {
      before = at;
    } else {
      (before == nullptr ? first_ : before->next) = after;
      if (last_ == at) last_ = before;
      --size_;
      at->next = nullptr;
      take(at);
    }
    at = after;
  }
}

/// @{ The event that tells a request's answer.
Event to_event(std::uint64_t tag, const Answer& answer);
Event to_event(std::uint64_t tag, const Result<Answer>& answer);
/// @}

}  // namespace flashsale::engine
