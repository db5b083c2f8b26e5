/// The lack of an answer, and whether stock may have moved all the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace flashsale {

/// Why there is no answer. Every value is < 0, frozen once released and never reused.
enum class ErrorCode : std::int32_t {
  invalid_argument = -1,  ///< a field is outside its bound; the detail names both
  not_found = -2,         ///< no such sale or item; never "sold out"
  conflict = -3,          ///< the buyer's request won with other arguments, or a sale exists with others
  busy = -4,              ///< a bounded queue is full; effect none
  timed_out = -5,         ///< the deadline came first; effect none or unknown
  disconnected = -6,      ///< no connection, or it broke; effect none or unknown
  refused = -7,           ///< Redis or the database refuses writes (memory, replicas, permission, disk)
  lost = -8,              ///< the database has the sale, Redis has not: reconcile
  unsupported = -9,       ///< not with this version, layout or sale
  protocol = -10,         ///< a peer said what the protocol does not allow
  closed = -11,           ///< the object was closed
  forked = -12,           ///< the object was used before a fork and belongs to the parent
  internal = -13,         ///< a defect, or memory ran out
};
std::string_view name(ErrorCode code);  ///< for instance "timed_out"

/// What a failed call did to Redis. `none`: certainly nothing. `unknown`: ask again with the same request.
enum class Effect : std::int32_t { none = 0, unknown = 1 };
std::string_view name(Effect effect);  ///< "none" or "unknown"

/// An error: what to branch on (`code`, `effect`) and one line for a person (`detail`, never parsed, no secrets).
struct Error {
  ErrorCode code = ErrorCode::internal;  ///< what kind
  Effect effect = Effect::none;          ///< what became of Redis
  std::string detail;                    ///< what, for a person

  /// True if waiting can help: asking again with the same request is right.
  bool retryable() const;
};

/// `<code>: <detail>`, and ` (effect unknown)` where it is.
std::string to_string(const Error& error);

/// A value, or why there is none.
template <class T>
using Result = tl::expected<T, Error>;

/// Success with nothing to tell. A type of its own, since `tl::expected<void, E>` has no `value()` in Debian 12.
struct Done {};

/// Shorthand for returning an error.
inline tl::unexpected<Error> fail(ErrorCode code, std::string detail, Effect effect = Effect::none) {
  return tl::unexpected<Error>(Error{code, effect, std::move(detail)});
}

}  // namespace flashsale
