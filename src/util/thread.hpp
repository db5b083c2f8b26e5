/// Threads that a host does not notice: every signal blocked, a name in `top`.
#pragma once

#include <functional>
#include <thread>

namespace flashsale::util {

/// Starts `body` on a thread that blocks all signals, so the host's handlers never run on it.
/// Throws std::system_error if the system has no more threads.
std::thread start_thread(const char* name, std::function<void()> body);

}  // namespace flashsale::util
