/// Structs that begin with `struct_size`: how a caller's older or newer one is read and written (convention 8).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "capi/guard.hpp"

namespace flashsale::capi {

/// The size that a struct had in the first version that knew it: less was never right.
template <class Record>
inline constexpr std::size_t kFirstSize = 0;
template <>
inline constexpr std::size_t kFirstSize<flashsale_call_t> = offsetof(flashsale_call_t, tag) + 8;
template <>
inline constexpr std::size_t kFirstSize<flashsale_answer_t> =
    offsetof(flashsale_answer_t, order) + FLASHSALE_ORDER_CAPACITY;
template <>
inline constexpr std::size_t kFirstSize<flashsale_event_t> = offsetof(flashsale_event_t, retry_after_ms) + 8;
template <>
inline constexpr std::size_t kFirstSize<flashsale_status_t> = offsetof(flashsale_status_t, phase) + 16;
template <>
inline constexpr std::size_t kFirstSize<flashsale_item_t> = offsetof(flashsale_item_t, limit) + 8;
template <>
inline constexpr std::size_t kFirstSize<flashsale_dead_t> = offsetof(flashsale_dead_t, fate) + 4;
template <>
inline constexpr std::size_t kFirstSize<flashsale_audit_item_t> = offsetof(flashsale_audit_item_t, difference) + 8;
template <>
inline constexpr std::size_t kFirstSize<flashsale_report_t> =
    offsetof(flashsale_report_t, waiting_for) + FLASHSALE_LINE_CAPACITY;
template <>
inline constexpr std::size_t kFirstSize<flashsale_option_t> = offsetof(flashsale_option_t, most) + 8;

/// More is garbage, and reading it would leave the caller's memory.
inline constexpr std::size_t kSizeMax = 4096;

template <class Record>
void need_size(std::size_t size, const char* name) {
  static_assert(kFirstSize<Record> > 0 && kFirstSize<Record> <= sizeof(Record) && sizeof(Record) < kSizeMax);
  if (size >= kFirstSize<Record> && size <= kSizeMax) return;
  refuse(ErrorCode::invalid_argument, std::string(name) + " must be " + std::to_string(kFirstSize<Record>) + " to " +
                                          std::to_string(kSizeMax) + ", is " + std::to_string(size));
}

template <class Record>
std::size_t need_struct(const Record* theirs, const char* name) {
  if (theirs == nullptr || !is_aligned(theirs))
    refuse(ErrorCode::invalid_argument, std::string(name) + (theirs == nullptr ? " is NULL" : " is not aligned"));
  need_size<Record>(theirs->struct_size, "struct_size");
  return theirs->struct_size;
}

/// What the caller gave, as this version knows it.
template <class Record>
Record read(const Record* theirs, const char* name) {
  const std::size_t size = need_struct(theirs, name);
  Record ours{};
  std::memcpy(&ours, theirs, std::min(size, sizeof(ours)));
  const auto* bytes = reinterpret_cast<const unsigned char*>(theirs);
  if (size > sizeof(ours) && std::any_of(bytes + sizeof(ours), bytes + size, [](unsigned char b) { return b != 0; }))
    refuse(ErrorCode::unsupported, std::string(name) + " has fields set that this version does not know");
  return ours;
}

/// Zeroes an out, asked for before anything is done.
template <class Record>
void clear(Record* theirs, const char* name) {
  const std::size_t size = need_struct(theirs, name);
  std::memset(reinterpret_cast<unsigned char*>(theirs) + sizeof(theirs->struct_size), 0,
              size - sizeof(theirs->struct_size));
}

/// Writes an out that was cleared.
template <class Record>
void write(Record* theirs, Record ours) {
  ours.struct_size = theirs->struct_size;
  std::memcpy(static_cast<void*>(theirs), &ours, std::min<std::size_t>(theirs->struct_size, sizeof(ours)));
}

/// Writes element `index` of an array of records of `size` bytes each.
template <class Record>
void write_element(Record* theirs, std::size_t size, std::size_t index, const Record& ours) {
  auto* const to = reinterpret_cast<unsigned char*>(theirs) + index * size;
  const std::size_t known = std::min(size, sizeof(ours));
  std::memcpy(to, &ours, known);
  std::memset(to + known, 0, size - known);
}

}  // namespace flashsale::capi
