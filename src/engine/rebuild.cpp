#include "engine/rebuild.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "core/scripts.hpp"
#include "engine/control_guard.hpp"
#include "engine/reconcile_claim.hpp"
#include "engine/script_runner.hpp"
#include "util/crash_point.hpp"
#include "util/deadline.hpp"
#include "util/random.hpp"
#include "util/thread.hpp"

namespace flashsale::engine {
namespace {

constexpr std::size_t kBytesPerTrip = 1024 * 1024;
constexpr std::size_t kBytesWaiting = 4 * kBytesPerTrip;

/// Chunks from the thread that reads to the one that writes.
///
///   open --the source ends or fails--> ended --last trip taken--> done
///      \--the writer wants no more--> closed: the source's next chunk is refused
class ChunkQueue {
 public:
  bool push(RebuildChunk chunk) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || bytes_ < kBytesWaiting; });
    if (closed_) return false;
    bytes_ += chunk.bytes.size();
    waiting_.push_back(std::move(chunk));
    changed_.notify_all();
    return true;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  /// One trip: full, or what is there when the source has ended or let us wait for long; nothing once all was taken.
  std::optional<std::vector<RebuildChunk>> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, kClaimBeat, [&] { return ended_ || bytes_ >= kBytesPerTrip; });
    if (ended_ && waiting_.empty()) return std::nullopt;
    std::vector<RebuildChunk> trip;
    std::size_t bytes = 0, count = 0;
    while (count < waiting_.size() && bytes < kBytesPerTrip) bytes += waiting_[count++].bytes.size();
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
    trip.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(end));
    waiting_.erase(waiting_.begin(), end);
    bytes_ -= bytes;
    changed_.notify_all();
    return trip;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<RebuildChunk> waiting_;  // guarded by mutex_, like the rest
  std::size_t bytes_ = 0;
  bool ended_ = false;
  bool closed_ = false;
};

/// The thread that reads. Joined, whatever happened to the one that writes.
class Reading {
 public:
  Reading(RebuildSource& source, ChunkQueue& queue, Deadline deadline)
      : queue_(queue), thread_(util::start_thread("fs-rebuild", [this, &source, deadline] {
          result_ = guarded([&] { return source.run(deadline); });
          queue_.end();
        })) {}
  ~Reading() { join(); }

  /// Whether the source handed everything over.
  Result<bool> join() {
    if (thread_.joinable()) {
      queue_.close();
      thread_.join();
    }
    return std::move(result_);
  }

 private:
  ChunkQueue& queue_;
  Result<bool> result_{false};
  std::thread thread_;  // last: it uses the others
};

}  // namespace

Rebuild::Rebuild(ConnectionPool& pool, OrderSink& sink, const SaleRow& row, std::string rec, std::int64_t now_ms,
                 std::function<Result<bool>()> go_on)
    : pool_(pool),
      sink_(sink),
      row_(row),
      keys_(row.sale),
      rec_(std::move(rec)),
      now_ms_(now_ms),
      go_on_(std::move(go_on)) {}

Result<Rebuilt> Rebuild::run(Deadline deadline) {
  deadline_ = deadline;
  auto cleared = clear();
  if (!cleared) return tl::unexpected<Error>(std::move(cleared.error()));
  if (!*cleared) return Rebuilt{};
  ChunkQueue queue;
  RebuildSource source(sink_, row_, now_ms_, [&](RebuildChunk chunk) { return queue.push(std::move(chunk)); });
  std::optional<Reading> reading;
  try {
    reading.emplace(source, queue, deadline);
  } catch (const std::system_error& error) {
    return fail(ErrorCode::internal, std::string("no thread to read the database: ") + error.what());
  }
  while (const auto trip = queue.pop()) {
    auto sent = send(*trip);
    if (!sent) return tl::unexpected<Error>(std::move(sent.error()));
    if (!*sent) return Rebuilt{};
    util::crash_point("reconcile.in_rebuild");
  }
  auto read = reading->join();
  if (!read) return tl::unexpected<Error>(std::move(read.error()));
  return Rebuilt{*read, source.orders(), source.held(), source.chunks(), source.booked()};
}

Result<bool> Rebuild::clear() {
  std::vector<RebuildChunk> chunks;
  chunks.emplace_back("clear").number = "0";
  auto sent = send(chunks);
  util::crash_point("reconcile.after_clear");
  return sent;
}

/// One round trip, then a beat. The script travels along, so nobody's SCRIPT FLUSH can tear a sale.
Result<bool> Rebuild::send(const std::vector<RebuildChunk>& chunks) {
  if (chunks.empty()) return go_on_();
  const core::Script& script = core::script("rebuild");
  const std::string nonce = util::random_hex(8);
  std::vector<Command> commands{{"SCRIPT", "LOAD", script.text}};
  for (const RebuildChunk& chunk : chunks) {
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
  const auto until = std::min(deadline_, util::Clock::now() + kClaimCallTimeout);
  auto replies = run_commands(pool_, Role::primary, row_.sale, commands, until);
  if (!replies) return tl::unexpected<Error>(std::move(replies.error()));
  for (std::size_t i = 1; i < replies->size(); ++i) {
    const auto& fields = (*replies)[i].elements;
    if (fields.size() < 2 || fields[0].text != nonce)
      return fail(ErrorCode::protocol, "a chunk's reply does not carry its nonce", Effect::unknown);
    if (fields[1].text != "ok") return false;
  }
  return go_on_();
}

}  // namespace flashsale::engine
