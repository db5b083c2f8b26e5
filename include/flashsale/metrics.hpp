/// What the process's gates and workers did, as numbers.
#pragma once

#include <string>

namespace flashsale {

/// Every counter of this process in the Prometheus text format 0.0.4: answers by outcome, errors by code and effect,
/// batches and the requests in them, round trips, orders committed, orders set aside, reconciles, entries behind.
/// Thread-safe; no I/O. Serve it as `text/plain; version=0.0.4`.
std::string metrics_text();

}  // namespace flashsale
