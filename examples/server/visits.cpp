#include "visits.hpp"

#include <sys/socket.h>

#include <chrono>

namespace server {
namespace {

constexpr std::chrono::milliseconds kLookEvery{500};

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Visits::Visits() : thread_([this] { watch(); }) {}

Visits::~Visits() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  thread_.join();
  for (Visit* const visit : visits_) delete visit;
}

Visit* Visits::arrive(int fd, int within_ms) {
  auto* const visit = new Visit;
  visit->fd = fd;
  expect(*visit, within_ms);
  const std::lock_guard<std::mutex> lock(mutex_);
  visits_.insert(visit);
  return visit;
}

void Visits::leave(Visit* visit) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    visits_.erase(visit);
  }
  delete visit;
}

void Visits::expect(Visit& visit, int within_ms) {
  visit.due_ms.store(within_ms == 0 ? 0 : now_ms() + within_ms, std::memory_order_relaxed);
}

std::size_t Visits::count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return visits_.size();
}

void Visits::watch() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    const auto now = now_ms();
    // The descriptor stays the visit's until `leave`, which needs the lock, so this cannot hit somebody else's.
    for (Visit* const visit : visits_) {
      const auto due = visit->due_ms.load(std::memory_order_relaxed);
      if (due != 0 && due < now) shutdown(visit->fd, SHUT_RDWR);
    }
    wake_.wait_for(lock, kLookEvery, [this] { return stopping_; });
  }
}

}  // namespace server
