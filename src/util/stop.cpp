#include "util/stop.hpp"

#include <algorithm>
#include <utility>

namespace flashsale::util {
namespace {

constexpr std::chrono::milliseconds kLookAround{25};

thread_local const StopSource* heeded = nullptr;

}  // namespace

void StopSource::request() noexcept {
  auto never = kNever;
  at_.compare_exchange_strong(never, Clock::now());
}

// In a simulation one thread is many processes, one inside another's call: none may hear what another was asked.
StopScope::StopScope(const StopSource& source)
    : outer_(std::exchange(heeded, simulated_world() == nullptr ? &source : nullptr)) {}
StopScope::~StopScope() { heeded = outer_; }

bool stop_requested() { return heeded != nullptr && heeded->is_requested(); }

Wait::Wait(Clock::time_point deadline) : deadline_(deadline), begin_(Clock::now()) {}

Clock::time_point Wait::end() const {
  if (!stop_requested()) return deadline_;
  return std::min(deadline_, std::max(begin_, heeded->requested_at()) + kGrace);
}

Clock::time_point Wait::slice() const {
  return heeded == nullptr ? deadline_ : std::min(end(), Clock::now() + kLookAround);
}

}  // namespace flashsale::util
