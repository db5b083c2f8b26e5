#include "support/private_redis.hpp"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "flashsale/redis.hpp"
#include "support/process.hpp"
#include "support/server_programs.hpp"

namespace flashsale::test {
namespace {

constexpr milliseconds kPatience{10'000};

[[noreturn]] void give_up(const std::string& why) { throw std::runtime_error("private Redis: " + why); }

std::string fresh_dir() {
  std::string path = (std::filesystem::temp_directory_path() / "flashsale-redis-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) give_up(fmt::format("no temporary folder: {}", std::strerror(errno)));
  return path;
}

}  // namespace

namespace {

std::uint16_t any_free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  const bool bound = fd >= 0 && bind(fd, any, size) == 0 && getsockname(fd, any, &size) == 0;
  if (fd >= 0) close(fd);
  if (!bound) give_up("no free port");
  return ntohs(address.sin_port);
}

}  // namespace

std::uint16_t free_port() {
  for (;;) {
    const std::uint16_t port = any_free_port();
    if (port <= 55'535) return port;
  }
}

bool eventually(const std::function<bool()>& holds, milliseconds at_most) {
  const auto deadline = Deadline::clock::now() + at_most;
  while (!holds()) {
    if (Deadline::clock::now() >= deadline) return false;
    std::this_thread::sleep_for(milliseconds{1});
  }
  return true;
}

PrivateRedis::PrivateRedis(std::vector<std::string> extra_arguments, Tcp tcp, std::string preload, std::string config)
    : extra_arguments_(std::move(extra_arguments)),
      tcp_(tcp),
      preload_(std::move(preload)),
      config_(std::move(config)) {
  server_programs();  // throws where there is no server
  dir_ = fresh_dir();
  if (!config_.empty()) std::ofstream(dir_ + "/redis.conf") << config_;
  const bool has_free_port = tcp == Tcp::yes || tcp == Tcp::tls;
  // Another process may take the port between our look and Redis' bind; then the next one will do.
  for (int tries = 1;; ++tries) {
    if (has_free_port) port_ = free_port();
    if (tcp == Tcp::own_network) port_ = 6379;
    try {
      start();
      return;
    } catch (const std::runtime_error&) {
      kill_now();
      if (has_free_port && tries < 5) continue;
      std::filesystem::remove_all(dir_);
      throw;
    }
  }
}

PrivateRedis::~PrivateRedis() {
  kill_now();
  std::error_code ignored;
  std::filesystem::remove_all(dir_, ignored);
}

void PrivateRedis::start() {
  if (pid_ > 0) give_up("it runs already");
  unlink(socket_path().c_str());
  spawn();
  await_ping();
}

void PrivateRedis::spawn() {
  const std::string& server = server_programs().server;
  std::vector<std::string> arguments = {server,
                                        "--port",
                                        tcp_ == Tcp::tls ? "0" : std::to_string(port_),
                                        "--bind",
                                        "127.0.0.1",
                                        "--dir",
                                        dir_,
                                        "--unixsocket",
                                        socket_path(),
                                        "--save",
                                        "",
                                        "--appendonly",
                                        "no",
                                        "--logfile",
                                        dir_ + "/redis.log"};
  if (tcp_ == Tcp::tls) arguments.insert(arguments.end(), {"--tls-port", std::to_string(port_)});
  if (tcp_ == Tcp::own_network) arguments.insert(arguments.end(), {"--bind", "0.0.0.0", "--protected-mode", "no"});
  arguments.insert(arguments.end(), extra_arguments_.begin(), extra_arguments_.end());
  if (!config_.empty()) arguments.insert(arguments.begin() + 1, dir_ + "/redis.conf");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  std::string loaded = "LD_PRELOAD=" + preload_;
  std::vector<char*> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) environment.push_back(*entry);
  if (!preload_.empty()) environment.push_back(loaded.data());
  environment.push_back(nullptr);

  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) give_up(fmt::format("fork: {}", std::strerror(errno)));
  if (child == 0) {
    // Only async-signal-safe calls from here on: the test may have threads.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const bool is_placed = tcp_ != Tcp::own_network || unshare(CLONE_NEWNET) == 0;
    if (is_placed && getppid() == parent) execve(server.c_str(), argv.data(), environment.data());
    _exit(127);
  }
  pid_ = child;
}

void PrivateRedis::await_ping() {
  admin_ = make_pool(url()).value();
  const auto deadline = Deadline::clock::now() + kPatience;
  while (Deadline::clock::now() < deadline) {
    // A short look at a time, so that a server that ended at once is noticed at once.
    auto lease = admin_->acquire(Role::primary, 0, Deadline::clock::now() + milliseconds{20});
    if (lease) return;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      give_up("the server ended at once: " + log_tail());
    }
  }
  give_up("no answer to PING: " + log_tail());
}

void PrivateRedis::stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  const bool ended = eventually([this] { return waitpid(pid_, nullptr, WNOHANG) == pid_; }, kPatience);
  if (ended) pid_ = -1;
  kill_now();
  if (!ended) give_up("it did not stop: " + log_tail());
}

void PrivateRedis::pause() { send_signal(pid_, SIGSTOP); }

void PrivateRedis::resume() { send_signal(pid_, SIGCONT); }

void PrivateRedis::kill_now() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  reap();
}

void PrivateRedis::reap() {
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string PrivateRedis::url() const { return "redis+unix://" + socket_path(); }

std::string PrivateRedis::tcp_url() const { return fmt::format("redis://127.0.0.1:{}", port_); }

Reply PrivateRedis::command(const std::vector<std::string_view>& arguments) {
  const auto deadline = Deadline::clock::now() + kPatience;
  auto lease = admin_->acquire(Role::primary, 0, deadline);
  if (!lease) give_up(lease.error().detail);
  RoundTrip trip = (*lease)->roundtrip({arguments}, deadline);
  if (trip.error) give_up(trip.error->detail);
  return std::move(trip.replies.at(0));
}

void PrivateRedis::replica_of(const PrivateRedis& primary) {
  const Reply reply = command({"REPLICAOF", "127.0.0.1", std::to_string(primary.port())});
  if (reply.type == Reply::Type::error) give_up("REPLICAOF: " + reply.text);
  wait_linked();
}

void PrivateRedis::wait_linked() {
  const auto linked = [this] {
    const Reply role = command({"ROLE"});
    return role.elements.size() >= 4 && role.elements[3].text == "connected";
  };
  if (!eventually(linked, milliseconds{30'000})) give_up("the link to the primary did not come up: " + log_tail());
}

std::string PrivateRedis::log_tail() const {
  std::ifstream file(dir_ + "/redis.log");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.substr(all.size() > 500 ? all.size() - 500 : 0);
}

}  // namespace flashsale::test
