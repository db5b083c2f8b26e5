// Log lines for languages without callbacks: kept in a ring until they are asked for.
#include "flashsale/log.hpp"

#include <fmt/format.h>

#include <deque>
#include <mutex>

#include "capi/guard.hpp"
#include "util/fork_guard.hpp"
#include "util/process_mutex.hpp"

namespace flashsale::capi {
namespace {

constexpr std::size_t kLinesMax = 256;

struct Line {
  LogLevel level;
  std::string text;
};

/// The process's lines. Filled from any thread, under the library's log lock.
class LogLines {
 public:
  void wake(std::weak_ptr<CompletionQueue> queue) {
    const std::lock_guard<std::mutex> lock(mutex_);
    queue_ = std::move(queue);
    queue_generation_ = util::fork_generation();
  }
  void forget() {
    const std::lock_guard<std::mutex> lock(mutex_);
    lines_.clear();
    dropped_ = 0;
    queue_.reset();
  }
  void push(LogLevel level, std::string_view text);
  std::optional<Line> take();

 private:
  std::mutex& mutex_ = util::process_mutex(util::ProcessWide::log_lines);
  std::deque<Line> lines_;                // guarded by mutex_
  std::size_t dropped_ = 0;               // guarded by mutex_: since the last line kept
  std::weak_ptr<CompletionQueue> queue_;  // guarded by mutex_
  std::uint32_t queue_generation_ = 0;    // guarded by mutex_: a parent's queue is left alone
};

LogLines& log_lines() {
  static LogLines& one = *new LogLines;  // never destroyed: threads may log while the process ends
  return one;
}

void LogLines::push(LogLevel level, std::string_view text) {
  std::shared_ptr<CompletionQueue> queue;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (lines_.size() >= kLinesMax) {
      ++dropped_;
      return;
    }
    std::string line(text);
    if (dropped_ > 0) line += fmt::format(" ({} lines were not taken before this one)", dropped_);
    if (line.size() >= FLASHSALE_LINE_CAPACITY) line.replace(FLASHSALE_LINE_CAPACITY - 4, line.npos, "...");
    lines_.push_back({level, std::move(line)});
    dropped_ = 0;
    if (queue_generation_ == util::fork_generation()) queue = queue_.lock();
  }
  if (queue) queue->wake();
}

std::optional<Line> LogLines::take() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (lines_.empty()) return std::nullopt;
  Line line = std::move(lines_.front());
  lines_.pop_front();
  return line;
}

}  // namespace
}  // namespace flashsale::capi

using namespace flashsale::capi;

extern "C" {

int32_t flashsale_log_enable(flashsale_completions_t* completions, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    std::weak_ptr<flashsale::CompletionQueue> queue;
    if (completions != nullptr) queue = need_here(completions).queue;
    log_lines().wake(std::move(queue));
    flashsale::set_log([](flashsale::LogLevel level, std::string_view line) { log_lines().push(level, line); });
    return 0;
  });
}

int32_t flashsale_log_disable(flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    flashsale::set_log(nullptr);
    log_lines().forget();
    return 0;
  });
}

int32_t flashsale_log_next(char* text_out, size_t capacity, size_t* size_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    need_buffer(text_out, capacity, size_out);
    const auto line = log_lines().take();
    if (!line) return 0;
    copy_out(line->text, text_out, capacity, size_out);
    return static_cast<int32_t>(line->level);
  });
}
}
