/// What every function of the C ABI shares: the exception firewall, arguments checked, outs written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <utility>

#include "capi/handles.hpp"
#include "flashsale/error.hpp"
#include "flashsale/flashsale.h"

namespace flashsale::capi {

/// Thrown inside the shims only, where an argument is wrong or an act failed; caught by `guard`.
struct Refusal {
  Error error;
};

[[noreturn]] void refuse(ErrorCode code, std::string detail);

/// Hands `error` to the caller, if it asked for one, and returns its code. Never throws: without memory for the object
/// the caller gets one that says so.
std::int32_t report(flashsale_error_t** error_out, Error error) noexcept;

/// Runs the body of a function and returns its result, or what it threw as an error. No exception passes.
template <class Body>
std::int32_t guard(flashsale_error_t** error_out, Body body) noexcept {
  if (error_out != nullptr) *error_out = nullptr;
  try {
    return body();
  } catch (Refusal& refusal) {
    return report(error_out, std::move(refusal.error));
  } catch (const std::bad_alloc&) {
    return report(error_out, {ErrorCode::internal, Effect::none, "out of memory"});  // short: needs none
  } catch (const std::exception& defect) {
    // What a defect did before it threw is not known.
    return report(error_out, {ErrorCode::internal, Effect::unknown, defect.what()});
  } catch (...) {
    return report(error_out, {ErrorCode::internal, Effect::unknown, "a defect"});
  }
}

/// The value of `result`, or the function's end.
template <class T>
T need(Result<T> result) {
  if (!result) throw Refusal{std::move(result.error())};
  return std::move(*result);
}

/// True if `pointer` can be read as a T at all.
template <class T>
bool is_aligned(const T* pointer) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignof(T) == 0;
}

/// The handle, if it is one of its kind.
template <class H>
H& need(H* handle) {
  if (handle == nullptr) refuse(ErrorCode::invalid_argument, std::string(H::kNoun) + " is NULL");
  if (!is_aligned(handle) || !handle->is_valid())
    refuse(ErrorCode::invalid_argument, std::string(H::kNoun) + " is no handle of this kind, or was destroyed");
  return *handle;
}

/// A handle with a mark, used in this process.
template <class H>
H& need_here(H* handle) {
  H& valid = need(handle);
  if (!valid.mark.claim())
    refuse(ErrorCode::forked, std::string(H::kNoun) + " was used before the fork and belongs to the parent");
  return valid;
}

/// Ends a handle and nulls the caller's pointer. What is no handle of this kind is left alone.
template <class H>
void destroy(H** handle) noexcept {
  if (handle == nullptr || *handle == nullptr) return;
  H* const ended = std::exchange(*handle, nullptr);
  if (!is_aligned(ended) || !ended->is_valid()) return;
  if (ended->is_foreign())
    ended->retire();  // leaked: to end the parent's locks and threads would hang
  else
    delete ended;
}

/// An out that may not be NULL; zeroed, so that every return has written it.
template <class T>
T& need_out(T* out, const char* name) {
  if (out == nullptr) refuse(ErrorCode::invalid_argument, std::string(name) + " is NULL");
  return *out = T{};
}

/// A string of the caller's.
std::string_view text(const char* data, std::size_t size, const char* name);

/// A span that the caller gives in ms.
milliseconds span(std::uint32_t ms, std::uint32_t most, const char* name);

/// A string for the caller: convention 6.
void copy_out(std::string_view text, char* text_out, std::size_t capacity, std::size_t* size_out);
/// The same, into an array inside a struct.
template <std::size_t N>
void copy_out(std::string_view text, char (&field)[N]) {
  copy_out(text, field, N, nullptr);
}

/// Whether the caller's buffer can be written, asked before anything is done; empties it.
void need_buffer(char* text_out, std::size_t capacity, std::size_t* size_out);

}  // namespace flashsale::capi
