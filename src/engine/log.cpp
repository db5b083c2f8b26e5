#include "engine/log.hpp"

#include <atomic>
#include <chrono>
#include <mutex>

#include "util/process_mutex.hpp"

namespace flashsale {
namespace engine {
namespace {

constexpr int kLinesPerSecond = 20;

struct Voice {
  std::atomic<bool> wanted{false};
  std::mutex& mutex = util::process_mutex(util::ProcessWide::log);
  LogFunction function;                            // guarded by mutex, called under it
  std::chrono::steady_clock::time_point second{};  // guarded by mutex
  int lines = 0;                                   // guarded by mutex: in this second
  int dropped = 0;                                 // guarded by mutex
};

Voice& voice() {
  static Voice one;
  return one;
}

/// True if this line may pass; alarms always do.
bool admit(Voice& v, LogLevel level) {
  const auto now = std::chrono::steady_clock::now();
  if (now - v.second >= std::chrono::seconds(1)) {
    v.second = now;
    v.lines = 0;
  }
  if (level != LogLevel::alarm && v.lines >= kLinesPerSecond) {
    ++v.dropped;
    return false;
  }
  ++v.lines;
  return true;
}

}  // namespace

bool log_wanted() { return voice().wanted.load(std::memory_order_acquire); }

void log_line(LogLevel level, std::string line) {
  Voice& v = voice();
  const std::lock_guard<std::mutex> lock(v.mutex);
  if (!v.function || !admit(v, level)) return;
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  if (v.dropped > 0) line += fmt::format(" ({} lines were dropped before this one)", std::exchange(v.dropped, 0));
  try {
    v.function(level, line);
  } catch (...) {
    v.function = nullptr;  // it broke its word not to throw; the library's threads must live on
    v.wanted.store(false, std::memory_order_release);
  }
}

}  // namespace engine

void set_log(LogFunction function) {
  engine::Voice& v = engine::voice();
  const std::lock_guard<std::mutex> lock(v.mutex);
  v.function = std::move(function);
  v.wanted.store(static_cast<bool>(v.function), std::memory_order_release);
}

}  // namespace flashsale
