#include "util/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace flashsale::util {

void Latch::set() {
  // Nobody sleeps yet, mostly: then the kernel need not be asked to wake anybody. The waiter may see the word and be
  // gone before the wake; then the kernel finds nobody at that address, or wakes somebody for nothing, who looks again.
  std::atomic<std::uint32_t>* const word = &word_;
  if (word->exchange(kSet, std::memory_order_acq_rel) == kSleeping)
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

bool Latch::wait_until(std::chrono::steady_clock::time_point deadline) {
  std::uint32_t seen = kClear;
  word_.compare_exchange_strong(seen, kSleeping, std::memory_order_acquire);
  while (!is_set()) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= left.zero()) return false;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
    const timespec timeout{static_cast<time_t>(seconds.count()),
                           static_cast<long>(std::chrono::nanoseconds(left - seconds).count())};
    syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, kSleeping, &timeout, nullptr, 0);
  }
  return true;
}

}  // namespace flashsale::util
