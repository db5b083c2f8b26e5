/// Ctrl+C and SIGTERM: the first asks the verb to end well, the second ends the process.
#pragma once

#include <flashsale/order_worker.hpp>

namespace cli {

/// Catches both signals while it lives. `worker`, if given, is told to stop from the handler.
class StopSignal {
 public:
  explicit StopSignal(flashsale::OrderWorker* worker = nullptr);
  ~StopSignal();
  StopSignal(const StopSignal&) = delete;
  StopSignal& operator=(const StopSignal&) = delete;

  static bool came();
};

}  // namespace cli
