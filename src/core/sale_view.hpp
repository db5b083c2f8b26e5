/// What a process knows of sales without asking: which refusals are true right now. PROTOCOL section 9.
///
///   a reply of the primary --learn--> item: refused until ... --advise--> refuse: an answer without Redis
///   the published filter --put_filter--> sale: who ever won   --^    \-> ask Redis, or wait a moment for the filter
///
/// One writer at a time, any number of readers. `advise` is wait-free, allocates nothing and makes no system call: each
/// record has a version that is odd while it is written, and a reader who meets a change does not wait but asks Redis,
/// which is always right. For that reason memory that a reader may look at is never given back before the view is gone;
/// it is reused, and bounded.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/reserve_codec.hpp"
#include "flashsale/outcome.hpp"
#include "flashsale/types.hpp"

namespace flashsale::core {

/// What one reply of the primary says of an item to whoever won nothing yet. Times are of one monotonic clock, in ms.
struct ItemNews {
  Outcome refusal{};  ///< sold_out, paused, ended or not_started; none: it sells
  PauseReason reason = PauseReason::none;
  std::int64_t asked_at = 0;    ///< before the request was sent
  std::int64_t true_until = 0;  ///< nobody can win before
  std::int64_t retry_at = 0;    ///< when asking again can help, if that is known; 0: it is not
  Position needs;               ///< the filter must cover this; epoch 0: nobody ever won, so it needs none
  std::uint32_t limit = 0;      ///< a larger quantity is limit_reached, which Redis says
};

/// The news of item `index` (from 0) in a reply that was asked for at `asked_at`.
ItemNews news_of(const BatchReply& reply, const SaleTerms& terms, std::size_t index, std::int64_t asked_at);

/// What to do about a call.
enum class Advice : std::uint8_t {
  ask,     ///< Redis, now
  refuse,  ///< here
  wait,    ///< for the next common moment: who won is about to be published, and till then one batch asks for all
};

/// The next moment at which those who were told to wait ask again, together: less than kCommonMoments after `now`.
constexpr std::int64_t kCommonMoments = 20;
constexpr std::int64_t next_common_moment(std::int64_t now) { return (now / kCommonMoments + 1) * kCommonMoments; }

class SaleView {
 public:
  SaleView();
  ~SaleView();
  SaleView(const SaleView&) = delete;
  SaleView& operator=(const SaleView&) = delete;

  /// `refuse`: `answer`, which must be as it was made, is what Redis would say now. Of `call` only sale, item, buyer
  /// and quantity are looked at. Any thread.
  Advice advise(const Call& call, std::int64_t now, Answer& answer) noexcept;

  // The writer's side.

  /// Takes over what a primary's reply says. Older news than what is known changes nothing.
  void learn(std::string_view sale, std::string_view item, const ItemNews& news);
  /// Ends a refusal, because something that may be behind the primary saw the item sell.
  void end(std::string_view sale, std::string_view item);
  /// Takes a published filter over, if it covers more than the one that is known, or is of a later epoch.
  void put_filter(std::string_view sale, std::string_view published);
  /// What the known filter covers; epoch 0: there is none.
  Position covered(std::string_view sale) const;

 private:
  struct Item;
  struct Filter;
  struct Words;
  struct Tables;

  /// An item with the version that it had before its key was looked at.
  struct Found {
    Item* item = nullptr;
    std::uint32_t version = 0;
  };
  enum class Winner : std::uint8_t { no, perhaps, unknown };
  static Found find(Tables& tables, std::string_view sale, std::string_view item) noexcept;
  Item* known_item(std::string_view sale, std::string_view item) const;
  Item& item_for(std::string_view sale, std::string_view item);
  Filter* filter_of(std::string_view sale) const;
  std::size_t filter_for(std::string_view sale);
  Words* words_for(std::size_t blocks);
  static Winner is_winner(const Filter& filter, std::string_view buyer, Position needs) noexcept;

  std::atomic<Tables*> tables_{nullptr};  // made with the first refusal
  std::vector<std::unique_ptr<Words>> words_;
  std::size_t words_bytes_ = 0;
};

}  // namespace flashsale::core
