// Forks while other threads hold what a process has once.
#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "engine/log.hpp"
#include "flashsale/log.hpp"
#include "redis/connection_conformance.hpp"
#include "redis/node_metrics.hpp"
#include "util/process_mutex.hpp"

namespace flashsale::test {
namespace {

/// Runs `busy` again and again on another thread, and forks meanwhile: true if each child can do `use`.
bool children_can(const std::function<void()>& busy, const std::function<void()>& use) {
  std::atomic<bool> stop{false}, runs{false};
  std::thread thread([&] {
    while (!stop) {
      busy();
      runs = true;
    }
  });
  bool good = eventually([&] { return runs.load(); }, kLong);
  for (int i = 0; i < 100 && good; ++i) {
    good = in_child([&] {
      use();
      return true;
    });
  }
  stop = true;
  thread.join();
  return good;
}

TEST_CASE("a child can log, be silent and count although a thread of its parent was in the middle of it") {
  set_log([](LogLevel, std::string_view) {});
  const auto log = [] { engine::log_line(LogLevel::alarm, std::string(1000, 'x')); };
  CHECK(children_can(log, [&] {
    log();
    set_log(nullptr);
  }));
  set_log(nullptr);
  const auto count = [] {
    for (const char* node : {"a", "b", "c"}) ++redis::node_metrics(node).connects;
  };
  CHECK(children_can(count, count));
}

TEST_CASE("a fork waits for whoever holds one of the process's locks and takes another behind it") {
  using util::ProcessWide;
  const auto nested = [] {
    const std::lock_guard<std::mutex> outer(util::process_mutex(ProcessWide::log));
    const std::lock_guard<std::mutex> inner(util::process_mutex(ProcessWide::log_lines));
  };
  CHECK(children_can(nested, nested));
}

}  // namespace
}  // namespace flashsale::test
