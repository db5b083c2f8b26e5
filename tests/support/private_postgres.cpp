#include "support/private_postgres.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>

#include "support/private_redis.hpp"

namespace flashsale::test {
namespace {

namespace fs = std::filesystem;

constexpr milliseconds kPatience{60'000};

[[noreturn]] void give_up(const std::string& why) { throw std::runtime_error("private PostgreSQL: " + why); }

/// Where Debian has the server's programs: of the newest version that is there.
std::string server_programs() {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& version : fs::directory_iterator("/usr/lib/postgresql", error)) {
    if (fs::exists(version.path() / "bin/initdb")) found.push_back(version.path() / "bin");
  }
  if (found.empty()) give_up("no initdb in /usr/lib/postgresql (Debian: postgresql)");
  return *std::max_element(found.begin(), found.end());
}

/// Whose the server is: ours, or where we are root somebody's who may do nothing.
const passwd* owner() {
  if (geteuid() != 0) return nullptr;
  const passwd* user = getpwnam("postgres");
  if (user == nullptr) user = getpwnam("nobody");
  if (user == nullptr) give_up("neither the user postgres nor nobody exists");
  return user;
}

void own(const std::string& path) {
  const passwd* const user = owner();
  if (user != nullptr && chown(path.c_str(), user->pw_uid, user->pw_gid) != 0)
    give_up(fmt::format("chown: {}", std::strerror(errno)));
}

struct Finish {
  void operator()(PGconn* handle) const { PQfinish(handle); }
};
using Handle = std::unique_ptr<PGconn, Finish>;

}  // namespace

PrivatePostgres::PrivatePostgres(std::vector<std::string> settings, std::string data)
    : settings_(std::move(settings)), data_(std::move(data)), bin_(server_programs()) {
  dir_ = (fs::temp_directory_path() / "flashsale-postgres-XXXXXX").string();
  if (mkdtemp(dir_.data()) == nullptr) give_up(fmt::format("no temporary folder: {}", std::strerror(errno)));
  try {
    own(dir_);
    if (data_.empty())
      data_ = dir_ + "/data";
    else
      own(data_);
    make_cluster();
    start();
  } catch (...) {
    kill_now();
    fs::remove_all(dir_);
    throw;
  }
}

PrivatePostgres::~PrivatePostgres() {
  kill_now();
  std::error_code ignored;
  fs::remove_all(dir_, ignored);
}

void PrivatePostgres::make_cluster() {
  const pid_t child = spawn({bin_ + "/initdb", "--pgdata=" + data_, "--username=postgres", "--auth=trust",
                             "--encoding=UTF8", "--locale=C", "--no-sync", "--wal-segsize=1"});
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) give_up("initdb failed: " + log_tail());
}

void PrivatePostgres::start() {
  if (pid_ > 0) give_up("it runs already");
  std::vector<std::string> arguments{bin_ + "/postgres", "-D", data_, "-k", dir_, "-h", ""};
  for (const std::string& setting : settings_) arguments.insert(arguments.end(), {"-c", setting});
  pid_ = spawn(std::move(arguments));
  await_connection();
}

pid_t PrivatePostgres::spawn(std::vector<std::string> arguments) const {
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log_path = dir_ + "/postgres.log";
  const passwd* const user = owner();
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) give_up(fmt::format("fork: {}", std::strerror(errno)));
  if (child == 0) {
    // Only async-signal-safe calls from here on: the test may have threads.
    const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    if (user != nullptr && (setgroups(0, nullptr) != 0 || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0)) {
      _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGQUIT);  // setuid would have undone it
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (chdir("/") == 0 && getppid() == parent) execv(argv[0], argv.data());
    _exit(127);
  }
  return child;
}

void PrivatePostgres::await_connection() {
  const auto connects = [this] {
    if (ended()) give_up("postgres ended at once: " + log_tail());
    const Handle handle(PQconnectdb(url().c_str()));
    return PQstatus(handle.get()) == CONNECTION_OK;
  };
  if (!eventually(connects, kPatience)) give_up("no connection: " + log_tail());
}

bool PrivatePostgres::ended() {
  if (pid_ > 0 && waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ <= 0;
}

void PrivatePostgres::stop() {
  if (pid_ <= 0) return;
  kill(pid_, SIGINT);
  if (!eventually([this] { return ended(); }, kPatience)) give_up("it did not stop: " + log_tail());
}

void PrivatePostgres::kill_now() {
  if (pid_ <= 0) return;
  kill(pid_, SIGQUIT);
  if (eventually([this] { return ended(); }, kPatience)) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string PrivatePostgres::url(std::string_view database) const {
  return fmt::format("postgresql://postgres@/{}?host={}", database, dir_);
}

std::string PrivatePostgres::fresh_database() {
  const std::string name = fmt::format("test{}_{}", getpid(), ++databases_);
  execute("create database " + name);
  return url(name);
}

std::string PrivatePostgres::execute(const std::string& sql, std::string_view database) const {
  const Handle handle(PQconnectdb(url(database).c_str()));
  if (PQstatus(handle.get()) != CONNECTION_OK) give_up(PQerrorMessage(handle.get()));
  const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(handle.get(), sql.c_str()), PQclear);
  const auto status = PQresultStatus(result.get());
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) give_up(PQerrorMessage(handle.get()));
  return PQntuples(result.get()) > 0 ? PQgetvalue(result.get(), 0, 0) : "";
}

std::string PrivatePostgres::log_text() const {
  std::ostringstream text;
  text << std::ifstream(dir_ + "/postgres.log").rdbuf();
  return text.str();
}

std::size_t PrivatePostgres::said(std::string_view words) const {
  const std::string all = log_text();
  std::size_t count = 0;
  for (auto at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) ++count;
  return count;
}

std::string PrivatePostgres::log_tail() const {
  const std::string all = log_text();
  return all.substr(all.size() > 500 ? all.size() - 500 : 0);
}

PrivatePostgres& shared_postgres() {
  static PrivatePostgres server;
  return server;
}

}  // namespace flashsale::test
