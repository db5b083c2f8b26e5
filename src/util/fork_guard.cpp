#include "util/fork_guard.hpp"

#include <pthread.h>

#include <atomic>

namespace flashsale::util {
namespace {
std::atomic<std::uint32_t> generation{1};
}  // namespace

std::uint32_t fork_generation() {
  static const int registered = pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1); });
  (void)registered;
  return generation.load(std::memory_order_relaxed);
}

}  // namespace flashsale::util
