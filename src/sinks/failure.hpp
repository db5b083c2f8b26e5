/// How a sink fails inside: by throwing `Failure`, caught where the plug ends. No exception leaves a sink.
///
/// Every statement can fail, and after a failure a transaction is only good for destruction: returning codes by hand
/// through each row would triple the code without handling anything on the way.
#pragma once

#include <exception>
#include <new>
#include <type_traits>

#include "flashsale/error.hpp"

namespace flashsale::sinks {

/// Thrown inside a sink only.
struct Failure {
  Error error;
};

[[noreturn]] inline void fail_with(ErrorCode code, std::string detail, Effect effect = Effect::none) {
  throw Failure{Error{code, effect, std::move(detail)}};
}

/// What `work` returns, or Done where it returns nothing.
template <class Work>
using Returned = std::conditional_t<std::is_void_v<std::invoke_result_t<Work>>, Done, std::invoke_result_t<Work>>;

/// Runs `work` and returns its value, or what it threw as an error.
template <class Work>
auto guarded(Work work) noexcept -> Result<Returned<Work>> {
  try {
    if constexpr (std::is_void_v<std::invoke_result_t<Work>>) {
      work();
      return Done{};
    } else {
      return work();
    }
  } catch (Failure& failure) {
    return tl::unexpected<Error>(std::move(failure.error));
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::internal, "out of memory");  // short enough to need no memory
  } catch (const std::exception& error) {
    return fail(ErrorCode::internal, error.what());
  }
}

}  // namespace flashsale::sinks
