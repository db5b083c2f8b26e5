#include "engine/receipt_keeper.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

#include "engine/counters.hpp"
#include "engine/log.hpp"
#include "engine/receipt_rules.hpp"
#include "engine/sale_standing.hpp"
#include "util/crash_point.hpp"
#include "util/deadline.hpp"
#include "util/random.hpp"
#include "util/thread.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kBytesMax = 64 * 1024 * 1024;
constexpr milliseconds kLookPressed{50};  // while a reconcile is expected, and while the ring fills up
constexpr milliseconds kPressedFor{10'000};
constexpr milliseconds kStayDeclared{60'000};  // a row that comes and goes with each order would cost two commits each
constexpr milliseconds kCallTimeout{1000};
constexpr milliseconds kHandInTimeout{2000};
constexpr milliseconds kLeavePatience{1000};
constexpr std::size_t kReceiptsPerPut = 1000;
constexpr std::size_t kLookedForPerLook = 1000;

Deadline call_deadline() { return util::Clock::now() + kCallTimeout; }

}  // namespace

ReceiptKeeper::ReceiptKeeper(std::shared_ptr<OrderSink> sink, std::size_t receipts_max)
    : sink_(std::move(sink)), count_max_(receipts_max) {}

void ReceiptKeeper::put(std::string_view sale, std::string_view uuid, ReceiptBlock block) {
  auto shared = std::make_shared<const ReceiptBlock>(std::move(block));
  std::unique_lock<std::mutex> lock(mutex_);
  if (stopping_) return;
  auto found = sales_.find(sale);
  if (found == sales_.end()) found = sales_.emplace(sale, Kept{}).first;
  Kept& kept = found->second;
  if (kept.uuid != uuid) {  // another sale of the same name: what was told of the old one is history
    forget(kept);
    kept = Kept{};
    kept.uuid = uuid;
  }
  count_ += shared->count();
  bytes_ += shared->bytes();
  kept.used = util::Clock::now();
  kept.blocks.push_back({std::move(shared), ++number_, 0});
  make_room();
  const bool is_declared = kept.used - kept.beaten < kHolderSilence;
  const bool fills_up = count_ > count_max_ / 2 || bytes_ > kBytesMax / 2;
  if (!is_declared || fills_up) wake(lock, kept);
}

void ReceiptKeeper::heard_fenced(std::string_view sale) {
  std::unique_lock<std::mutex> lock(mutex_);
  const auto found = sales_.find(sale);
  if (found == sales_.end() || stopping_) return;
  found->second.pressed_until = util::Clock::now() + kPressedFor;
  wake(lock, found->second);
}

std::size_t ReceiptKeeper::count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return count_;
}

/// Brings the sale's next look forward, but not so that a database that is away is asked all the time.
void ReceiptKeeper::wake(std::unique_lock<std::mutex>& lock, Kept& kept) {
  const Deadline look_at = std::max(util::Clock::now(), kept.looked + kLookPressed);
  if (watched_ && kept.look_at <= look_at) return;
  kept.look_at = look_at;
  if (!watched_) {
    try {
      thread_ = util::start_thread("flashsale-keep", [this] { watch(); });
      watched_ = true;
    } catch (const std::system_error&) {
      while (count_ > 0) drop_oldest();  // nobody would ever hand them in
      return;
    }
  }
  lock.unlock();
  changed_.notify_one();
}

void ReceiptKeeper::make_room() {
  while (count_ > count_max_ || bytes_ > kBytesMax) drop_oldest();
}

void ReceiptKeeper::drop_oldest() {
  Kept* oldest = nullptr;
  for (auto& [sale, kept] : sales_)
    if (!kept.blocks.empty() && (oldest == nullptr || kept.blocks.front().number < oldest->blocks.front().number))
      oldest = &kept;
  counters().receipts_dropped.add(oldest->blocks.front().block->count());
  pop_front(*oldest);
}

void ReceiptKeeper::pop_front(Kept& kept) {
  count_ -= kept.blocks.front().block->count();
  bytes_ -= kept.blocks.front().block->bytes();
  kept.blocks.pop_front();
}

void ReceiptKeeper::forget(Kept& kept) {
  while (!kept.blocks.empty()) pop_front(kept);
}

void ReceiptKeeper::watch() {
  std::unique_lock<std::mutex> lock(mutex_);
  name_ = util::random_hex(16);  // not before: a gate may be made before its process forks
  while (!stopping_) {
    const Deadline next = look_at_next(lock);
    if (next == Deadline::max())
      changed_.wait(lock);
    else
      changed_.wait_until(lock, next);
  }
}

/// Looks at the sale whose turn has come, if one's has. Returns when the next one's does.
Deadline ReceiptKeeper::look_at_next(std::unique_lock<std::mutex>& lock) {
  const auto next = std::min_element(sales_.begin(), sales_.end(), [](const auto& left, const auto& right) {
    return left.second.look_at < right.second.look_at;
  });
  if (next == sales_.end()) return Deadline::max();
  if (next->second.look_at > util::Clock::now()) return next->second.look_at;
  const std::string sale = next->first;
  next->second.look_at = Deadline::max();
  next->second.looked = util::Clock::now();
  lock.unlock();
  look(sale);
  lock.lock();
  return Deadline{};  // another's turn may have come meanwhile
}

void ReceiptKeeper::look(const std::string& sale) {
  const auto attended = attend(sale);
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sales_.find(sale);
  if (found == sales_.end()) return;
  Kept& kept = found->second;
  const Deadline now = util::Clock::now();
  if (kept.blocks.empty() && !kept.has_row) {
    sales_.erase(found);
    return;
  }
  const bool is_idle = kept.blocks.empty() && now - kept.beaten >= kHolderSilence;
  Deadline next = now + (kept.pressed_until > now ? kLookPressed : attended ? kHolderBeat : kHolderBeat / 4);
  if (is_idle) next = std::max(next, kept.used + kStayDeclared);
  kept.look_at = std::min(kept.look_at, next);
}

Result<Done> ReceiptKeeper::attend(const std::string& sale) {
  auto row = read_row(*sink_, sale, call_deadline());
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  Due due = sort_out(sale, *row);
  Result<Done> done;
  if (due.hand_in) done = hand_in(sale, due, (*row)->fence_epoch);
  if (done && due.beat) done = beat(sale);
  if (done && due.leave) done = leave(sale, (*row)->uuid, {}, call_deadline());
  if (!due.passed.empty()) {
    auto looked = look_for(sale, due.passed, call_deadline());
    if (looked) return done;
    put_back(sale, std::move(due.passed));
    return looked;
  }
  return done;
}

/// Forgets what the row says is persisted or judged, and finds out what is to be done.
ReceiptKeeper::Due ReceiptKeeper::sort_out(const std::string& sale, const std::optional<SaleRow>& row) {
  Due due;
  const std::lock_guard<std::mutex> lock(mutex_);
  Kept& kept = sales_[sale];
  if (!row || row->uuid != kept.uuid) {
    log(LogLevel::warning, "sale {}: {} does not have it, so this gate keeps no receipts of it", sale,
        sink_->describe());
    forget(kept);
    return due;
  }
  std::size_t passed = 0;
  const Deadline now = util::Clock::now();
  while (!kept.blocks.empty()) {
    const Held& front = kept.blocks.front();
    if (front.block->at() > row->watermark) break;
    if (front.block->at().epoch < row->watermark.epoch && front.handed_epoch == 0) {
      if (passed >= kLookedForPerLook) {
        kept.pressed_until = now + kHolderBeat;  // the rest soon, but a reconcile of another sale may wait meanwhile
        break;
      }
      passed += front.block->count();
      due.passed.push_back(front);
    }
    pop_front(kept);
  }
  const bool is_declared = now - kept.beaten < kHolderSilence;
  const bool is_claimed = !row->rec_uuid.empty();
  for (const Held& held : kept.blocks)
    if (is_claimed && held.handed_epoch == 0 && held.block->at().epoch < row->fence_epoch) due.blocks.push_back(held);
  const bool is_awaited = kept.handed_epoch < row->fence_epoch && (is_declared || !kept.blocks.empty());
  due.hand_in = is_claimed && (is_awaited || !due.blocks.empty());
  due.beat = !due.hand_in && !kept.blocks.empty() && now - kept.beaten >= kHolderBeat / 2;
  due.leave = kept.has_row && kept.blocks.empty() && now - kept.used >= kStayDeclared;
  return due;
}

Result<Done> ReceiptKeeper::beat(const std::string& sale) {
  std::uint64_t handed_epoch = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    handed_epoch = sales_[sale].handed_epoch;
  }
  auto transaction = sink_->begin(OrderSink::Access::write, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto now = (*transaction)->now_ms();
  if (!now) return tl::unexpected<Error>(std::move(now.error()));
  if (auto put = (*transaction)->put_receipt_holder(SaleId{sale}, {name_, *now, handed_epoch}); !put) return put;
  if (auto done = (*transaction)->commit(); !done) return done;
  const std::lock_guard<std::mutex> lock(mutex_);
  sales_[sale].beaten = util::Clock::now();
  sales_[sale].has_row = true;
  return {};
}

/// One transaction, so that a reconcile that sees our row handed in sees all of it. Under the sale's lock: a reconcile
/// that is over by then would never look at it again.
Result<Done> ReceiptKeeper::hand_in(const std::string& sale, const Due& due, std::uint64_t fence_epoch) {
  auto transaction = sink_->begin(OrderSink::Access::write, util::Clock::now() + kHandInTimeout);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto row = (*transaction)->lock_sale(SaleId{sale});
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  if (!*row || (*row)->rec_uuid.empty() || (*row)->fence_epoch != fence_epoch)
    return fail(ErrorCode::busy, "the sale's claim changed");
  auto now = (*transaction)->now_ms();
  if (!now) return tl::unexpected<Error>(std::move(now.error()));
  if (auto written = write_receipts(**transaction, **row, due.blocks); !written) return written;
  auto put = (*transaction)->put_receipt_holder(SaleId{sale}, {name_, *now, fence_epoch});
  if (!put) return put;
  if (auto done = (*transaction)->commit(); !done) return done;
  note_handed(sale, due, fence_epoch);
  return {};
}

Result<Done> ReceiptKeeper::write_receipts(SinkTransaction& transaction, const SaleRow& row,
                                           const std::vector<Held>& blocks) {
  std::vector<Receipt> receipts;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    blocks[i].block->append_to(receipts, row.watermark);
    if (receipts.size() < kReceiptsPerPut && i + 1 < blocks.size()) continue;
    if (auto put = transaction.put_receipts(SaleId{row.sale}, receipts.data(), receipts.size()); !put) return put;
    receipts.clear();
  }
  return {};
}

void ReceiptKeeper::note_handed(const std::string& sale, const Due& due, std::uint64_t fence_epoch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Kept& kept = sales_[sale];
  kept.handed_epoch = fence_epoch;
  kept.beaten = util::Clock::now();
  kept.has_row = true;
  auto at = due.blocks.begin();
  for (Held& held : kept.blocks) {
    at = std::find_if(at, due.blocks.end(), [&](const Held& done) { return done.number >= held.number; });
    if (at == due.blocks.end()) return;
    if (at->number == held.number) held.handed_epoch = fence_epoch;
  }
}

/// The sale was reopened before these were handed in: too late to bring anything back, since buyers have been judged
/// anew. They are named if they are lost.
Result<Done> ReceiptKeeper::look_for(const std::string& sale, const std::vector<Held>& passed, Deadline deadline) {
  std::vector<Receipt> receipts;
  for (const Held& held : passed) held.block->append_to(receipts, Position{});
  auto transaction = sink_->begin(OrderSink::Access::read, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  ReceiptLookup lookup(**transaction, sale);
  LostReceipts lost;
  for (const Receipt& receipt : receipts) {
    auto found = lookup.finds(receipt);
    if (!found) return tl::unexpected<Error>(std::move(found.error()));
    if (!*found) lost.add(receipt, "the sale went on without it");
  }
  lost.report(sale);
  return {};
}

void ReceiptKeeper::put_back(const std::string& sale, std::vector<Held> passed) {
  const std::lock_guard<std::mutex> lock(mutex_);
  Kept& kept = sales_[sale];
  for (auto held = passed.rbegin(); held != passed.rend(); ++held) {
    count_ += held->block->count();
    bytes_ += held->block->bytes();
    kept.blocks.push_front(std::move(*held));
  }
  make_room();
}

void ReceiptKeeper::stop() {
  std::thread thread;
  bool was_watched = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    thread.swap(thread_);
    was_watched = std::exchange(watched_, false);
  }
  changed_.notify_all();
  if (thread.joinable()) thread.join();
  if (!was_watched) return;
  const Deadline deadline = util::Clock::now() + kLeavePatience;
  for (const auto& [sale, kept] : sales_) {
    const bool holds_some = !kept.blocks.empty();
    if (auto parted = part_from(sale, kept, deadline); !parted && holds_some)
      log(LogLevel::warning, "sale {}: a gate was closed and could not leave its receipts: {}", sale,
          to_string(parted.error()));
  }
}

/// Nobody looks at the sale for us any more: what the sale went on without is named now, and the rest is left.
Result<Done> ReceiptKeeper::part_from(const std::string& sale, const Kept& kept, Deadline deadline) {
  auto row = read_row(*sink_, sale, deadline);
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  const Due due = sort_out(sale, *row);
  auto left = leave(sale, kept.uuid, {kept.blocks.begin(), kept.blocks.end()}, deadline);
  auto looked = due.passed.empty() ? Result<Done>{} : look_for(sale, due.passed, deadline);
  return left ? looked : left;
}

/// Takes our row back and leaves what the worker has not carried yet: closing a gate forgets nothing.
Result<Done> ReceiptKeeper::leave(const std::string& sale, std::string_view uuid, const std::vector<Held>& blocks,
                                  Deadline deadline) {
  auto transaction = sink_->begin(OrderSink::Access::write, deadline);
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto row = (*transaction)->lock_sale(SaleId{sale});
  if (!row) return tl::unexpected<Error>(std::move(row.error()));
  if (!*row || (*row)->uuid != uuid) return {};
  if (auto written = write_receipts(**transaction, **row, blocks); !written) return written;
  // A row that was last heard of in 1970 is gone at once.
  if (auto put = (*transaction)->put_receipt_holder(SaleId{sale}, {name_, 0, 0}); !put) return put;
  if (auto dropped = (*transaction)->drop_receipt_holders(SaleId{sale}, 1); !dropped) return dropped;
  if (auto done = (*transaction)->commit(); !done) return done;
  const std::lock_guard<std::mutex> lock(mutex_);
  sales_[sale].has_row = false;
  return {};
}

}  // namespace flashsale::engine
