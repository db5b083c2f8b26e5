/// A batch of requests as the arguments of reserve.lua, move.lua or look.lua, and their reply as answers.
///
/// The caller's side of these scripts: whatever string reserve.lua would have to build per request is built here.
/// A change in either changes the other, tests/core/reserve_codec_test.cpp, and `layout`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/keyspace.hpp"
#include "flashsale/connection.hpp"
#include "flashsale/outcome.hpp"
#include "flashsale/sale_controller.hpp"

namespace flashsale::core {

/// What a gate must know of a sale to speak of it. Nothing of it changes under one uuid but the epoch.
struct SaleTerms {
  explicit SaleTerms(std::string_view sale) : keys(sale) {}
  Keys keys;
  std::string epoch;           ///< decimal
  std::uint64_t seen_seq = 0;  ///< the highest seq of that epoch that the process has heard of: Redis must know it
  std::string uuid;
  QueueMode queue = QueueMode::journal;
  bool holds = false;
  bool has_sink = false;       ///< its orders go to a database
  std::uint32_t replicas = 0;  ///< least number of replicas for level `replicas`
  std::size_t connected = 0;   ///< replicas at the last look
  std::vector<std::string> items;
  std::vector<std::uint32_t> limits;  ///< of a buyer, per item; only SaleView looks at them

  std::size_t item_index(std::string_view item) const;  ///< from 1; 0: no such item
};

/// One request of a batch; views into the caller's memory.
struct Asked {
  std::string_view buyer;
  std::string_view request;
  std::string_view item;  ///< empty: asks about the request alone (look.lua only)
  std::string_view payload;
  std::uint32_t quantity = 0;
};

/// Writes batches. Reuses its memory: nothing is allocated once it has seen its largest batch. Thread-compatible.
class BatchEncoder {
 public:
  /// One EVALSHA of reserve.lua. Its views live until the next encode, as do the arguments'. 1..512 requests.
  const std::vector<Command>& reserve(const SaleTerms& terms, const std::vector<Asked>& asked,
                                      std::int64_t not_after_ms, std::string_view nonce);
  /// One EVALSHA of move.lua; `verb` is confirm or release. Not in list mode.
  const std::vector<Command>& move(const SaleTerms& terms, Verb verb, const std::vector<Asked>& asked,
                                   std::int64_t not_after_ms, std::string_view nonce);
  /// One EVALSHA of look.lua.
  const std::vector<Command>& look(const SaleTerms& terms, const std::vector<Asked>& asked, std::int64_t not_after_ms,
                                   std::string_view nonce);

 private:
  void begin(std::string_view script, const SaleTerms& terms, std::int64_t not_after_ms, std::string_view nonce,
             std::size_t key_count);
  void header(const SaleTerms& terms, const std::vector<Asked>& asked);
  void names(const std::vector<Asked>& asked);
  /// Appends four bytes to `header`: item and quantity.
  static void put_terms(std::string& header, std::size_t item, std::uint32_t quantity);
  /// Writes a request's body and returns the length of its stem.
  std::size_t body(const Asked& asked, std::size_t item, std::size_t index);
  void list_body(const Asked& asked, std::size_t index);
  std::string_view keep(std::size_t from) const { return {arena_.data() + from, arena_.size() - from}; }

  std::string arena_;                  // reserved before it is written, so that views into it stay good
  std::string header_, ids_, bodies_;  // of reserve: an argument each
  std::vector<Command> commands_ = std::vector<Command>(1);
  Command& command() { return commands_[0]; }
};

/// What the script said of the batch as a whole.
enum class Verdict : std::uint8_t { ok, absent, layout, fenced, stale, late, not_primary };

/// An order that a request had won before.
struct Found {
  OrderId order;
  std::int64_t hold_until_ms = 0;
};

struct BatchReply {
  Verdict verdict = Verdict::ok;
  std::int64_t now_ms = 0;              ///< Redis' clock; 0: not told
  Position at;                          ///< the sale's position after the batch
  std::string letters;                  ///< one a request, as the script gives them
  std::vector<std::int64_t> left;       ///< per item
  std::vector<std::uint64_t> sold_seq;  ///< per item: the seq that last sold it
  std::vector<std::int64_t> reopen_ms;  ///< per item
  char standing = 'o';                  ///< the letter that the sale as a whole has for who won nothing; o: buy
  std::int64_t opens_in_ms = 0;         ///< of standing w: until the schedule opens; 0: it does not
  std::int64_t changes_in_ms = 0;       ///< until the schedule changes `standing`; 0: it does not
  std::int64_t probe_ms = 0;
  std::int64_t hold_until_ms = 0;  ///< of what was just reserved; of look.lua: 1 on a replica, else 0
  std::vector<Found> found;        ///< in the order of the upper-case letters
};

/// Reads the reply to a batch of `count` requests. A wrong nonce, count or letter is `protocol` with effect unknown:
/// it may be the answer to another batch, and everything behind it on that connection is in doubt too.
Result<BatchReply> read_batch_reply(const Reply& reply, std::string_view nonce, std::size_t count,
                                    const SaleTerms& terms);

/// The same for a reply of move.lua, which tells nothing of the items.
Result<BatchReply> read_move_reply(const Reply& reply, std::string_view nonce, std::size_t count,
                                   const SaleTerms& terms);

/// One request's share of a batch's reply: an answer or an error. `index` is its place in the batch; `item` its item's
/// index from 1 (0: none); `found` counts the orders found before it and is moved on. What move.lua moved is
/// `confirmed` here, whichever of the two was asked.
Result<Answer> answer_of(const BatchReply& reply, std::size_t index, std::size_t item, std::size_t& found);

}  // namespace flashsale::core
