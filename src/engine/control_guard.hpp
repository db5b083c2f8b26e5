/// No exception leaves a public function: memory that ran out is an answer too.
#pragma once

#include <exception>
#include <new>

#include "flashsale/error.hpp"

namespace flashsale::engine {

/// Runs `work`, which returns a Result, and turns what it throws into `internal`.
template <class Work>
auto guarded(Work work) noexcept -> decltype(work()) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return fail(ErrorCode::internal, "out of memory", Effect::unknown);  // short enough to need no memory
  } catch (const std::exception& error) {
    return fail(ErrorCode::internal, error.what(), Effect::unknown);
  }
}

}  // namespace flashsale::engine
