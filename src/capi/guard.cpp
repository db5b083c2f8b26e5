#include "capi/guard.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace flashsale::capi {
namespace {

/// Above every bound of the library, so that a garbage length is refused before anybody copies it.
constexpr std::size_t kTextBytesMax = 1u << 20;

/// For whoever runs out of memory for the object itself. Destroying it is harmless.
flashsale_error_t& out_of_memory() {
  static flashsale_error_t one({ErrorCode::internal, Effect::unknown, "out of memory"});
  return one;
}

// Made before main, while there is memory.
[[maybe_unused]] const flashsale_error_t& made_early = out_of_memory();

const flashsale_error_t* valid(const flashsale_error_t* error) {
  return error != nullptr && is_aligned(error) && error->is_valid() ? error : nullptr;
}

}  // namespace

void refuse(ErrorCode code, std::string detail) { throw Refusal{Error{code, Effect::none, std::move(detail)}}; }

std::int32_t report(flashsale_error_t** error_out, Error error) noexcept {
  const auto code = static_cast<std::int32_t>(error.code);
  if (error_out == nullptr) return code;
  *error_out = new (std::nothrow) flashsale_error_t(std::move(error));
  if (*error_out != nullptr) return code;
  *error_out = &out_of_memory();
  return FLASHSALE_E_INTERNAL;
}

std::string_view text(const char* data, std::size_t size, const char* name) {
  if (data == nullptr && size > 0)
    refuse(ErrorCode::invalid_argument, fmt::format("{} is NULL and has {} bytes", name, size));
  if (size > kTextBytesMax)
    refuse(ErrorCode::invalid_argument,
           fmt::format("{} must have at most {} bytes, has {}", name, kTextBytesMax, size));
  return {data == nullptr ? "" : data, size};
}

milliseconds span(std::uint32_t ms, std::uint32_t most, const char* name) {
  if (ms < 1 || ms > most)
    refuse(ErrorCode::invalid_argument, fmt::format("{} must be 1 to {}, is {}", name, most, ms));
  return milliseconds{ms};
}

void copy_out(std::string_view text, char* text_out, std::size_t capacity, std::size_t* size_out) {
  if (size_out != nullptr) *size_out = text.size();
  if (capacity == 0) return;
  const std::size_t size = std::min(text.size(), capacity - 1);
  std::memcpy(text_out, text.data(), size);
  text_out[size] = '\0';
}

void need_buffer(char* text_out, std::size_t capacity, std::size_t* size_out) {
  if (size_out != nullptr) *size_out = 0;
  if (text_out == nullptr && capacity > 0)
    refuse(ErrorCode::invalid_argument, fmt::format("text_out is NULL and has {} bytes", capacity));
  if (capacity > 0) *text_out = '\0';
}

}  // namespace flashsale::capi

using flashsale::capi::valid;

extern "C" {

int32_t flashsale_error_code(const flashsale_error_t* error) {
  return valid(error) ? static_cast<int32_t>(error->error.code) : 0;
}

const char* flashsale_error_name(const flashsale_error_t* error) {
  return valid(error) ? name(error->error.code).data() : "";  // names are literals
}

const char* flashsale_error_message(const flashsale_error_t* error) {
  return valid(error) ? error->error.detail.c_str() : "";
}

int32_t flashsale_error_effect(const flashsale_error_t* error) {
  return valid(error) ? static_cast<int32_t>(error->error.effect) : FLASHSALE_EFFECT_NONE;
}

int32_t flashsale_error_is_retryable(const flashsale_error_t* error) {
  return valid(error) && error->error.retryable() ? 1 : 0;
}

void flashsale_error_destroy(flashsale_error_t** error) {
  if (error != nullptr && *error == &flashsale::capi::out_of_memory()) *error = nullptr;
  flashsale::capi::destroy(error);
}
}
