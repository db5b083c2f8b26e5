#include "flashsale/completion_queue.hpp"

#include <algorithm>
#include <chrono>

#include "engine/completion_queue_state.hpp"

namespace flashsale {

std::size_t CompletionQueue::State::reserve(std::size_t count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto granted = std::min(count, depth_ - outstanding_);
  outstanding_ += granted;
  return granted;
}

void CompletionQueue::State::unreserve(std::size_t count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  outstanding_ -= count;
}

void CompletionQueue::State::grow(std::size_t needed) {
  std::size_t size = std::max<std::size_t>(ring_.size(), 64);
  while (size < needed) size *= 2;
  std::vector<Event> larger(size);
  for (std::size_t i = 0; i < count_; ++i) larger[i] = ring_[(first_ + i) & (ring_.size() - 1)];
  ring_.swap(larger);
  first_ = 0;
}

void CompletionQueue::State::push(const Event* events, std::size_t count) {
  if (count == 0) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (count_ + count > ring_.size()) grow(count_ + count);
  for (std::size_t i = 0; i < count; ++i) ring_[(first_ + count_ + i) & (ring_.size() - 1)] = events[i];
  const bool was_empty = count_ == 0;
  count_ += count;
  if (!was_empty) return;
  event_.raise();
  filled_.notify_one();
}

std::size_t CompletionQueue::State::drain(Event* events, std::size_t capacity, milliseconds wait) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (count_ == 0 && !woken_ && wait > milliseconds{0})
    filled_.wait_until(lock, std::chrono::steady_clock::now() + wait, [this] { return count_ > 0 || woken_; });
  const auto taken = std::min(capacity, count_);
  for (std::size_t i = 0; i < taken; ++i) events[i] = ring_[(first_ + i) & (ring_.size() - 1)];
  if (taken > 0) first_ = (first_ + taken) & (ring_.size() - 1);
  count_ -= taken;
  outstanding_ -= taken;
  woken_ = false;
  if (count_ == 0) event_.lower();
  return taken;
}

int CompletionQueue::State::fd() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!event_.open()) return -1;
  if (count_ > 0 || woken_) event_.raise();
  return event_.fd();
}

void CompletionQueue::State::wake() {
  const std::lock_guard<std::mutex> lock(mutex_);
  woken_ = true;
  event_.raise();
  filled_.notify_one();
}

std::size_t CompletionQueue::State::outstanding() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return outstanding_;
}

CompletionQueue::CompletionQueue(std::size_t depth)
    : state_(std::make_shared<State>(std::clamp<std::size_t>(depth, 1, 1'048'576))) {}
CompletionQueue::~CompletionQueue() = default;

std::size_t CompletionQueue::drain(Event* events, std::size_t capacity, milliseconds wait) {
  return state_->drain(events, capacity, wait);
}
int CompletionQueue::fd() { return state_->fd(); }
void CompletionQueue::wake() { state_->wake(); }
std::size_t CompletionQueue::outstanding() const { return state_->outstanding(); }

}  // namespace flashsale
