/// The endpoints that this process met, as a metric.
#pragma once

#include "flashsale/endpoint.hpp"

namespace flashsale::engine {

/// Counts a look that found `endpoint`. True for the first of its kind in this process. Thread-safe.
bool note_endpoint(const Endpoint& endpoint);

}  // namespace flashsale::engine
