#include "engine/rebuild.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/checks.hpp"
#include "core/scripts.hpp"
#include "engine/reconcile_claim.hpp"
#include "engine/script_runner.hpp"
#include "util/crash_point.hpp"
#include "util/deadline.hpp"
#include "util/random.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kPairsPerChunk = 1000;
constexpr std::size_t kBytesPerChunk = 256 * 1024;
constexpr std::size_t kBytesPerTrip = 4 * kBytesPerChunk;  // Redis works on one trip while we read the next
constexpr std::size_t kOrdersPerRead = 10'000;

/// An oversold order never had a unit; any other that was set aside took its units out of the stock.
bool took_units(const DeadRow& dead) { return dead.reason != "OVERSOLD"; }

}  // namespace

void Rebuild::Chunk::add(std::string_view first, std::string_view second) {
  bytes += first;
  ends.push_back(bytes.size());
  bytes += second;
  ends.push_back(bytes.size());
}

bool Rebuild::Chunk::is_full() const { return ends.size() >= 2 * kPairsPerChunk || bytes.size() >= kBytesPerChunk; }

// When a hold began is not in the database, and a buyer who was promised some minutes must not be cut short by a fault
// that is not theirs: a rebuilt hold begins anew.
Rebuild::Rebuild(ConnectionPool& pool, OrderSink& sink, const SaleRow& row, std::string rec, std::int64_t now_ms,
                 std::function<Result<bool>()> go_on)
    : pool_(pool),
      sink_(sink),
      row_(row),
      keys_(row.sale),
      rec_(std::move(rec)),
      hold_until_ms_(row.hold_ms > 0 ? now_ms + row.hold_ms : 0),
      go_on_(std::move(go_on)) {}

Result<Rebuilt> Rebuild::run(Deadline deadline) {
  deadline_ = deadline;
  rebuilt_.booked.assign(row_.items.size(), 0);
  using Stage = Result<bool> (Rebuild::*)();
  for (const Stage stage : {&Rebuild::clear, &Rebuild::read_dead, &Rebuild::add_orders, &Rebuild::add_left_dead,
                            &Rebuild::add_operations, &Rebuild::finish}) {
    auto done = (this->*stage)();
    if (!done) return tl::unexpected<Error>(std::move(done.error()));
    if (!*done) return Rebuilt{};
  }
  rebuilt_.complete = true;
  return std::move(rebuilt_);
}

Result<bool> Rebuild::clear() {
  Chunk chunk("clear");
  chunk.number = "0";
  queued_.push_back(std::move(chunk));
  auto sent = send();
  util::crash_point("reconcile.after_clear");
  return sent;
}

Result<bool> Rebuild::read_dead() {
  auto transaction = sink_.begin(OrderSink::Access::read, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto rows = (*transaction)->dead(SaleId{row_.sale}, /*only_untold=*/false);
  if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
  for (DeadRow& row : *rows) {
    const std::size_t item = item_index(row.order.item);
    if (item > 0 && took_units(row)) rebuilt_.booked[item - 1] += row.order.quantity;
    // Bytes that no gate takes cannot be asked for, so nobody misses them in Redis.
    if (item == 0 || core::check_buyer(row.order.buyer) || core::check_request(row.order.request)) continue;
    std::string buyer = row.order.buyer;
    dead_[std::move(buyer)].push_back(std::move(row));
  }
  return true;
}

Result<bool> Rebuild::add_orders() {
  std::string buyer;
  for (;;) {
    std::vector<OrderRow> rows;
    {
      // A transaction a read: the claim keeps everybody else from writing, and none is held across a round trip.
      auto transaction = sink_.begin(OrderSink::Access::read, call_deadline());
      if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
      auto read = (*transaction)->orders_by_buyer(SaleId{row_.sale}, buyer, kOrdersPerRead);
      if (!read) return tl::unexpected<Error>(std::move(read.error()));
      rows = std::move(*read);
    }
    if (rows.empty()) return true;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      add_order(rows[i]);
      if (i + 1 < rows.size() && rows[i + 1].order.buyer == rows[i].order.buyer) continue;
      auto ended = end_buyer(rows[i].order.buyer);
      if (!ended || !*ended) return ended;
    }
    buyer = std::move(rows.back().order.buyer);
  }
}

void Rebuild::add_order(const OrderRow& row) {
  const std::size_t item = item_index(row.order.item);
  if (item == 0) return;  // the sink's own constraints exclude it
  const core::RecordState state = core::record_state(row.state);
  writer_.add({row.order.request, item, row.order.quantity, row.order.id, state, hold_until_ms_});
  if (core::holds_units(state)) rebuilt_.booked[item - 1] += row.order.quantity;
  if (row.state == OrderState::reserved && hold_until_ms_ > 0) add_hold(row);
  ++rebuilt_.orders;
}

void Rebuild::add_hold(const OrderRow& row) {
  holds_.add(std::to_string(hold_until_ms_), to_string(row.order.id) + " " + row.order.buyer);
}

void Rebuild::add_dead(const DeadRow& dead) {
  writer_.add({dead.order.request, item_index(dead.order.item), dead.order.quantity, dead.order.id,
               core::RecordState::dead, 0});
}

/// The buyer's dead orders stand behind the stored ones, so that a request which has both answers with the stored.
Result<bool> Rebuild::end_buyer(const std::string& buyer) {
  if (const auto dead = dead_.find(buyer); dead != dead_.end()) {
    for (const DeadRow& row : dead->second) add_dead(row);
    dead_.erase(dead);
  }
  if (writer_.empty()) return true;
  record_.clear();
  writer_.finish(record_);
  buyers_.add(buyer, record_);
  if (holds_.is_full())
    if (auto queued = queue(holds_); !queued || !*queued) return queued;
  return buyers_.is_full() ? queue(buyers_) : Result<bool>(true);
}

/// Buyers all of whose orders were set aside.
Result<bool> Rebuild::add_left_dead() {
  while (!dead_.empty()) {
    const std::string buyer = dead_.begin()->first;
    if (auto ended = end_buyer(buyer); !ended || !*ended) return ended;
  }
  return true;
}

Result<bool> Rebuild::add_operations() {
  auto transaction = sink_.begin(OrderSink::Access::read, call_deadline());
  if (!transaction) return tl::unexpected<Error>(std::move(transaction.error()));
  auto rows = (*transaction)->operations(SaleId{row_.sale});
  if (!rows) return tl::unexpected<Error>(std::move(rows.error()));
  Chunk chunk("ops");  // at most 1,000 of them
  for (const OperationRow& row : *rows) chunk.add(row.operation, fmt::format("{} {}", item_index(row.item), row.units));
  return queue(chunk);
}

Result<bool> Rebuild::finish() {
  for (Chunk* chunk : {&buyers_, &holds_})
    if (auto queued = queue(*chunk); !queued || !*queued) return queued;
  return send();
}

/// Takes the chunk's content and leaves it empty.
Result<bool> Rebuild::queue(Chunk& chunk) {
  if (chunk.ends.empty()) return true;
  chunk.number = std::to_string(++rebuilt_.chunks);
  queued_bytes_ += chunk.bytes.size();
  queued_.push_back(std::exchange(chunk, Chunk(chunk.kind)));
  return queued_bytes_ >= kBytesPerTrip ? send() : Result<bool>(true);
}

/// One round trip. The script travels along, so nobody's SCRIPT FLUSH can tear a sale.
Result<bool> Rebuild::send() {
  if (queued_.empty()) return true;
  const core::Script& script = core::script("rebuild");
  const std::string nonce = util::random_hex(8);
  std::vector<Command> commands{{"SCRIPT", "LOAD", script.text}};
  for (const Chunk& chunk : queued_) {
    Command command{"EVALSHA", script.sha1,   "5",   keys_.meta, keys_.buyers, keys_.holds,
                    keys_.ops, keys_.winners, nonce, rec_,       chunk.number, chunk.kind};
    const std::string_view bytes = chunk.bytes;
    std::size_t begin = 0;
    for (const std::size_t end : chunk.ends) {
      command.push_back(bytes.substr(begin, end - begin));
      begin = end;
    }
    commands.push_back(std::move(command));
  }
  auto replies = run_commands(pool_, Role::primary, row_.sale, commands, call_deadline());
  if (!replies) return tl::unexpected<Error>(std::move(replies.error()));
  for (std::size_t i = 1; i < replies->size(); ++i) {
    const auto& fields = (*replies)[i].elements;
    if (fields.size() < 2 || fields[0].text != nonce)
      return fail(ErrorCode::protocol, "a chunk's reply does not carry its nonce", Effect::unknown);
    if (fields[1].text != "ok") return false;
  }
  queued_.clear();
  queued_bytes_ = 0;
  if (rebuilt_.chunks > 0) util::crash_point("reconcile.in_rebuild");
  return go_on_();
}

/// No single call may take so long that the claim goes stale meanwhile.
Deadline Rebuild::call_deadline() const { return std::min(deadline_, util::Clock::now() + kClaimCallTimeout); }

std::size_t Rebuild::item_index(std::string_view item) const {
  const auto found =
      std::find_if(row_.items.begin(), row_.items.end(), [&](const ItemRow& row) { return row.item == item; });
  return found == row_.items.end() ? 0 : static_cast<std::size_t>(found - row_.items.begin()) + 1;
}

}  // namespace flashsale::engine
