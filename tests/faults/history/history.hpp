/// What clients asked and heard, as a file of lines. Each line is one write(2), so that a client killed at any moment
/// leaves whole lines, and an invocation without an answer: nobody knows what became of it.
///
///   i <call> <ns> <verb> <buyer> <request> <item or -> <quantity> <level asked for>
///   a <call> <ns> <outcome> <order or -> <level reached> <reason> <retry after ms>
///   e <call> <ns> <error> <effect>
///
/// Times are of the machine's monotonic clock, which all its processes share; words are the values of their enums.
#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include "flashsale/error.hpp"
#include "flashsale/outcome.hpp"
#include "flashsale/types.hpp"

namespace flashsale::history {

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

/// One call, and what was heard of it.
struct Op {
  enum class End : std::uint8_t { open, answer, error };

  std::size_t client = 0;
  Verb verb = Verb::reserve;
  std::string buyer, request, item;
  std::uint32_t quantity = 0;
  Level asked = Level::usual;
  std::int64_t from_ns = 0, until_ns = kNever;
  End end = End::open;
  Outcome outcome{};  // of an answer, like the next four
  OrderId order;
  Level reached = Level::primary;
  PauseReason reason = PauseReason::none;
  std::int64_t retry_after_ms = 0;
  ErrorCode error{};  // of an error, like the next
  Effect effect = Effect::unknown;

  bool heard(Outcome which) const { return end == End::answer && outcome == which; }
  /// The buyer holds units by it, at the level that it has reached.
  bool says_yes() const { return end == End::answer && (holds_stock(outcome) || outcome == Outcome::pending); }
  /// Certainly nothing was won by this call, nor by any copy of it. `fenced` speaks of the sale, not of the request.
  bool says_no() const {
    if (end == End::error) return effect == Effect::none && error != ErrorCode::conflict;
    return end == End::answer && !order && reason != PauseReason::fenced;
  }
};

/// Where a client writes. Thread-safe.
class Writer {
 public:
  explicit Writer(const std::string& path);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  std::uint64_t invoked(const Call& call);  ///< the call's number
  void heard(std::uint64_t call, const Result<Answer>& answer);

 private:
  void write_line(const std::string& line);
  int fd_;
  std::atomic<std::uint64_t> calls_{0};
};

/// The calls in a client's file, in the order in which they were invoked; a last line without its end is left out.
/// Throws std::runtime_error if any other line does not read.
std::vector<Op> read_history(const std::string& path, std::size_t client);

std::int64_t monotonic_ns();

}  // namespace flashsale::history
