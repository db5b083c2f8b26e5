/// A program of ours in a process of its own, to be killed and stopped by a test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "flashsale/types.hpp"

namespace flashsale::test {

/// kill(2) for one process. Throws where `pid` names none: to kill, -1 is everybody, and a nemesis that stops a server
/// which just died would stop the machine.
void send_signal(pid_t pid, int number);

/// Runs on construction; killed with the object, and with the thread that started it. One thread at a time.
class Process {
 public:
  /// `program` is one of the build's. `environment` entries are "NAME=value", beside our own.
  Process(const std::string& program, std::vector<std::string> arguments, std::vector<std::string> environment = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }  ///< -1 once its end was seen
  void signal(int number);
  /// SIGKILL, and waits for the end.
  void kill_now();
  /// Waits for its end. False if it goes on.
  bool await_end(milliseconds at_most);
  /// What waitpid said of its end.
  int status() const { return status_; }
  bool was_killed() const;  ///< by SIGKILL

  bool is_stopped() const;          ///< by SIGSTOP
  long resident_kib() const;        ///< its memory
  std::size_t descriptors() const;  ///< that it has open

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

/// Whether SIGSTOP holds a process.
bool is_stopped(pid_t pid);

}  // namespace flashsale::test
