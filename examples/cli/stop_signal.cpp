#include "stop_signal.hpp"

#include <atomic>
#include <csignal>

namespace cli {

namespace {

std::atomic<bool> stop_came{false};
std::atomic<flashsale::OrderWorker*> worker_to_stop{nullptr};

void on_signal(int) {
  stop_came = true;
  if (auto* const worker = worker_to_stop.load()) worker->stop();
}

void set_handlers(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

StopSignal::StopSignal(flashsale::OrderWorker* worker) {
  worker_to_stop = worker;
  set_handlers(on_signal);
}

StopSignal::~StopSignal() {
  set_handlers(SIG_DFL);
  worker_to_stop = nullptr;
}

bool StopSignal::came() { return stop_came; }

}  // namespace cli
