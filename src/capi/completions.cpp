// Answers to submitted calls.
#include <algorithm>
#include <array>

#include "capi/guard.hpp"
#include "capi/handles.hpp"
#include "capi/records.hpp"

using namespace flashsale::capi;
using flashsale::CompletionQueue;
using flashsale::ErrorCode;
using flashsale::Event;
using flashsale::milliseconds;

namespace {

constexpr std::size_t kDepthMax = 1'048'576;
constexpr std::size_t kDepthUsual = 65'536;
constexpr std::size_t kChunk = 64;

flashsale_event_t to_record(const Event& event) {
  flashsale_event_t record{};
  record.tag = event.tag;
  record.code = event.code;
  record.effect = static_cast<int32_t>(event.effect);
  record.level = static_cast<int32_t>(event.level);
  record.reason = static_cast<int32_t>(event.reason);
  record.index = event.index;
  record.epoch = event.epoch;
  record.seq = event.seq;
  record.remaining = event.remaining;
  record.hold_until_ms = event.hold_until_ms;
  record.retry_after_ms = event.retry_after_ms;
  return record;
}

/// In chunks through the stack: the C++ and the C record need not be laid out alike.
std::size_t drain(CompletionQueue& queue, flashsale_event_t* events_out, size_t event_size, size_t capacity,
                  milliseconds wait) {
  std::array<Event, kChunk> chunk;
  std::size_t count = 0;
  while (count < capacity) {
    const std::size_t wanted = std::min(kChunk, capacity - count);
    const std::size_t got = queue.drain(chunk.data(), wanted, count == 0 ? wait : milliseconds{0});
    for (std::size_t i = 0; i < got; ++i) write_element(events_out, event_size, count + i, to_record(chunk[i]));
    count += got;
    if (got < wanted) break;
  }
  return count;
}

}  // namespace

extern "C" {

int32_t flashsale_completions_create(size_t depth, flashsale_completions_t** completions_out,
                                     flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& out = need_out(completions_out, "completions_out");
    if (depth > kDepthMax)
      refuse(ErrorCode::invalid_argument,
             "depth must be 0 to " + std::to_string(kDepthMax) + ", is " + std::to_string(depth));
    out = new flashsale_completions_t(depth == 0 ? kDepthUsual : depth);
    return 0;
  });
}

int32_t flashsale_completions_drain(flashsale_completions_t* completions, flashsale_event_t* events_out,
                                    size_t event_size, size_t capacity, uint32_t wait_ms, size_t* count_out,
                                    flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& count = need_out(count_out, "count_out");
    auto& queue = *need_here(completions).queue;
    need_size<flashsale_event_t>(event_size, "event_size");
    if (capacity == 0 || events_out == nullptr)
      refuse(ErrorCode::invalid_argument, events_out == nullptr ? "events_out is NULL" : "capacity is 0");
    count = drain(queue, events_out, event_size, capacity, milliseconds{wait_ms});
    return 0;
  });
}

int32_t flashsale_completions_fd(flashsale_completions_t* completions, int32_t* fd_out, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& fd = need_out(fd_out, "fd_out");
    fd = -1;
    fd = need_here(completions).queue->fd();
    if (fd < 0) refuse(ErrorCode::refused, "the process is out of descriptors");
    return 0;
  });
}

int32_t flashsale_completions_wake(flashsale_completions_t* completions, flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    need_here(completions).queue->wake();
    return 0;
  });
}

int32_t flashsale_completions_outstanding(flashsale_completions_t* completions, size_t* count_out,
                                          flashsale_error_t** error) {
  return guard(error, [&]() -> int32_t {
    auto& count = need_out(count_out, "count_out");
    count = need_here(completions).queue->outstanding();
    return 0;
  });
}

void flashsale_completions_destroy(flashsale_completions_t** completions) { destroy(completions); }
}
