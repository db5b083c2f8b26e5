#include "support/process.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "support/private_redis.hpp"

namespace flashsale::test {
namespace {

std::string status_of(pid_t pid) {
  std::ostringstream text;
  text << std::ifstream(fmt::format("/proc/{}/status", pid)).rdbuf();
  return text.str();
}

}  // namespace

void send_signal(pid_t pid, int number) {
  if (pid <= 0) throw std::logic_error(fmt::format("signal {} for a process that does not run", number));
  kill(pid, number);
}

Process::Process(const std::string& program, std::vector<std::string> arguments, std::vector<std::string> environment) {
  arguments.insert(arguments.begin(), program);
  std::vector<char*> argv, envp;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  for (std::string& entry : environment) envp.push_back(entry.data());  // of two with one name the first counts
  for (char** entry = environ; *entry != nullptr; ++entry) envp.push_back(*entry);
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) {
    // Only async-signal-safe calls from here on: the test may have threads.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (getppid() == parent) execve(program.c_str(), argv.data(), envp.data());
    _exit(127);
  }
}

Process::~Process() { kill_now(); }

void Process::signal(int number) {
  if (pid_ > 0) kill(pid_, number);
}

void Process::kill_now() {
  signal(SIGKILL);
  while (pid_ > 0 && waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

bool Process::await_end(milliseconds at_most) {
  return pid_ < 0 || eventually(
                         [this] {
                           if (waitpid(pid_, &status_, WNOHANG) != pid_) return false;
                           pid_ = -1;
                           return true;
                         },
                         at_most);
}

bool Process::was_killed() const { return pid_ < 0 && WIFSIGNALED(status_) && WTERMSIG(status_) == SIGKILL; }

bool is_stopped(pid_t pid) { return status_of(pid).find("State:\tT") != std::string::npos; }

bool Process::is_stopped() const { return test::is_stopped(pid_); }

long Process::resident_kib() const {
  const std::string status = status_of(pid_);
  const auto at = status.find("VmRSS:");
  return at == std::string::npos ? 0 : std::stol(status.substr(at + 6));
}

std::size_t Process::descriptors() const {
  std::error_code error;
  const std::filesystem::directory_iterator open(fmt::format("/proc/{}/fd", pid_), error);
  return static_cast<std::size_t>(std::distance(begin(open), end(open)));
}

}  // namespace flashsale::test
