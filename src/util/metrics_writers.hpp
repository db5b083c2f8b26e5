/// Lets a room that is not above another add its numbers to the process's metrics.
#pragma once

#include <string>

namespace flashsale::util {

/// Appends metrics in the Prometheus text format. Thread-safe; does not throw but for memory.
using MetricsWriter = void (*)(std::string& text);

/// Adds `writer` for the life of the process, once; a second time does nothing. Thread-safe, lock-free.
void add_metrics_writer(MetricsWriter writer);

/// What all writers have to say.
void write_metrics(std::string& text);

}  // namespace flashsale::util
