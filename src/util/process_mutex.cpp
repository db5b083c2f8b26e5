#include "util/process_mutex.hpp"

#include <pthread.h>

#include <array>

namespace flashsale::util {
namespace {

constexpr std::size_t kCount = static_cast<std::size_t>(ProcessWide::open_files) + 1;  // the last of them
std::array<std::mutex, kCount> mutexes;  // needs no construction, so it is there before every other static

void unlock_all() {
  for (auto mutex = mutexes.rbegin(); mutex != mutexes.rend(); ++mutex) mutex->unlock();
}

}  // namespace

std::mutex& process_mutex(ProcessWide what) {
  static const int registered = pthread_atfork(
      [] {
        for (std::mutex& mutex : mutexes) mutex.lock();
      },
      unlock_all, unlock_all);
  (void)registered;
  return mutexes[static_cast<std::size_t>(what)];
}

}  // namespace flashsale::util
