/// Keeps what a gate told its callers until the database has it, and hands it in when Redis has lost its history.
///
///   put --> held --the watermark reaches it--------------------------> forgotten
///            |  \--a reconcile has claimed the sale--> handed in ------> forgotten: the reconcile judges it
///            |   \--reopened before it was handed in--> looked for ----> forgotten: it is there, or lost and told so
///            +--the ring is full, and it is the oldest---------------> dropped, and counted
///
/// While a gate holds receipts of a sale, its row among the sale's holders beats, so that a reconcile knows whom to
/// wait for.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/receipt_block.hpp"
#include "flashsale/order_sink.hpp"

namespace flashsale::engine {

inline constexpr milliseconds kHolderBeat{1000};
inline constexpr milliseconds kHolderSilence{3000};  ///< by the database's clock: whoever is silent for longer is gone

/// Thread-safe. One thread, which exists once there is a receipt; a lane never waits for a database.
class ReceiptKeeper {
 public:
  ReceiptKeeper(std::shared_ptr<OrderSink> sink, std::size_t receipts_max);
  ~ReceiptKeeper() { stop(); }

  /// Takes a block over, before its callers are told. `uuid` is the sale's.
  void put(std::string_view sale, std::string_view uuid, ReceiptBlock block);
  /// A reconcile is to come: looks at the sale at once, and often for a while.
  void heard_fenced(std::string_view sale);
  /// How many receipts are held.
  std::size_t count() const;
  /// Ends the thread and leaves what is held in the database, within kLeavePatience. Idempotent.
  void stop();

 private:
  friend class KeeperUnderTest;  // tests/simulation looks at what is due, instead of a thread

  struct Held {
    std::shared_ptr<const ReceiptBlock> block;
    std::uint64_t number = 0;        ///< in the order in which they came
    std::uint64_t handed_epoch = 0;  ///< 0: not handed in
  };
  /// One sale's.
  struct Kept {
    std::string uuid;
    std::deque<Held> blocks;
    Deadline look_at = Deadline::max();
    Deadline looked{};               ///< when that last happened
    Deadline pressed_until{};        ///< `fenced` was heard not long ago
    Deadline used{};                 ///< when there last were receipts
    Deadline beaten{};               ///< when our row was last written
    bool has_row = false;            ///< it is there
    std::uint64_t handed_epoch = 0;  ///< as our row has it
  };
  /// What a look at the sale's row asks for.
  struct Due {
    bool beat = false;
    bool hand_in = false;
    bool leave = false;        ///< nothing was told for long
    std::vector<Held> blocks;  ///< to hand in
    std::vector<Held> passed;  ///< of an epoch that is over: to look for
  };

  void make_room();
  void drop_oldest();
  void forget(Kept& kept);
  void pop_front(Kept& kept);
  void wake(std::unique_lock<std::mutex>& lock, Kept& kept);

  void watch();
  Deadline look_at_next(std::unique_lock<std::mutex>& lock);
  void look(const std::string& sale);
  Result<Done> attend(const std::string& sale);
  Due sort_out(const std::string& sale, const std::optional<SaleRow>& row);
  Result<Done> beat(const std::string& sale);
  Result<Done> hand_in(const std::string& sale, const Due& due, std::uint64_t fence_epoch);
  void note_handed(const std::string& sale, const Due& due, std::uint64_t fence_epoch);
  Result<Done> look_for(const std::string& sale, const std::vector<Held>& passed, Deadline deadline);
  void put_back(const std::string& sale, std::vector<Held> passed);
  Result<Done> part_from(const std::string& sale, const Kept& kept, Deadline deadline);
  Result<Done> leave(const std::string& sale, std::string_view uuid, const std::vector<Held>& blocks,
                     Deadline deadline);
  Result<Done> write_receipts(SinkTransaction& transaction, const SaleRow& row, const std::vector<Held>& blocks);

  const std::shared_ptr<OrderSink> sink_;
  const std::size_t count_max_;
  std::string name_;  // of the thread, and of stop

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Kept, std::less<>> sales_;  // guarded by mutex_, like the rest
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t number_ = 0;
  bool watched_ = false;  // somebody looks at what is due
  bool stopping_ = false;
  std::thread thread_;
};

/// Of one batch: notes what its callers are about to be told, and hands it to the keeper when it goes. With no keeper,
/// or for a sale without a database, nothing is noted.
class ReceiptNotes {
 public:
  ReceiptNotes(ReceiptKeeper* keeper, std::string_view sale, const core::SaleTerms& terms, Position at)
      : keeper_(terms.has_sink ? keeper : nullptr), sale_(sale), uuid_(terms.uuid), block_(at) {}
  ~ReceiptNotes() {
    if (!block_.empty()) keeper_->put(sale_, uuid_, std::move(block_));
  }
  ReceiptNotes(const ReceiptNotes&) = delete;
  ReceiptNotes& operator=(const ReceiptNotes&) = delete;

  /// `level`: what the caller wants. What it hears only once the database has it needs no receipt.
  void add(const Request& request, const Result<Answer>& answer, Level level) {
    if (keeper_ != nullptr && level < Level::database && !request.checking) block_.add(request, answer);
  }

 private:
  ReceiptKeeper* const keeper_;
  const std::string_view sale_;
  const std::string_view uuid_;
  ReceiptBlock block_;
};

}  // namespace flashsale::engine
