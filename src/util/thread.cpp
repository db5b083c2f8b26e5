#include "util/thread.hpp"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace flashsale::util {

std::thread start_thread(const char* name, std::function<void()> body) {
  // A thread inherits its creator's mask, so it is set before and put back after: no moment in which a signal fits.
  struct BlockedSignals {
    sigset_t before;
    BlockedSignals() {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  } blocked;
  std::thread thread(std::move(body));
  pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace flashsale::util
