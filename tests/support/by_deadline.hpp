/// Calls that are given a deadline and must keep it.
#pragma once

#include <doctest/doctest.h>

#include "flashsale/types.hpp"

namespace flashsale::test {

/// What a busy machine may need beyond a deadline until it runs the caller's thread again.
inline constexpr milliseconds kLateness{2000};

/// What `call` returns for a deadline `time` from now; it must return by then.
template <class Call>
auto by_deadline(milliseconds time, Call call) {
  const Deadline deadline = Deadline::clock::now() + time;
  auto result = call(deadline);
  CHECK(Deadline::clock::now() < deadline + kLateness);
  return result;
}

}  // namespace flashsale::test
