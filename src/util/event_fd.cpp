#include "util/event_fd.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "util/deadline.hpp"

namespace flashsale::util {

EventFd::~EventFd() {
  if (fd_ >= 0) close(fd_);
}

bool EventFd::open() {
  if (fd_ < 0) fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd_ >= 0;
}

// Neither call can fail in a way that matters: a full counter is already readable, an empty one already quiet.
void EventFd::raise() {
  const std::uint64_t one = 1;
  if (fd_ >= 0 && write(fd_, &one, sizeof(one)) < 0) return;
}

void EventFd::lower() {
  std::uint64_t count = 0;
  if (fd_ >= 0 && read(fd_, &count, sizeof(count)) < 0) return;
}

void EventFd::wait(std::chrono::milliseconds time) const {
  if (SimulatedWorld* world = simulated_world()) return world->sleep_until(world->now() + time);
  pollfd bell{fd_, POLLIN, 0};
  poll(&bell, 1, static_cast<int>(time.count()));
}

}  // namespace flashsale::util
