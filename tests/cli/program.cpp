#include "program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace flashsale::test {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void redirect(int fd, const std::string& path, int flags) {
  const int file = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0 || dup2(file, fd) < 0) _exit(126);
}

/// What `look` finds in a reading transaction on `db`.
template <class Look>
auto read_from(const std::string& db, Look look) {
  const auto sink = make_sink(db).value();
  const auto transaction = sink->begin(OrderSink::Access::read, Deadline::clock::now() + milliseconds{10'000}).value();
  return look(*transaction);
}

}  // namespace

Json Ended::json() const {
  if (out.empty() || out.find('\n') != out.size() - 1) throw std::runtime_error("not one line: " + out + err);
  return Json::parse(out);
}

Desk::Desk(Arguments redis_arguments) : redis(std::move(redis_arguments)) {
  folder_ = (std::filesystem::temp_directory_path() / "flashsale-cli-XXXXXX").string();
  if (mkdtemp(folder_.data()) == nullptr) throw std::runtime_error("no temporary folder");
}

Desk::~Desk() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string Desk::write(const std::string& name, const std::string& bytes) const {
  const std::string path = folder_ + "/" + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string Desk::read(const std::string& name) const { return bytes_of(folder_ + "/" + name); }

pid_t Desk::start(const std::string& program, const Arguments& arguments, const std::string& input) const {
  const std::string path = program[0] == '/' ? program : std::string(FLASHSALE_BIN_DIR) + "/" + program;
  std::vector<std::string> words{path};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  write("stdin", input);
  // Set before the fork: the child of a process with threads may only make the simplest calls.
  setenv("FLASHSALE_REDIS", redis.url().c_str(), 1);
  unsetenv("FLASHSALE_DB");
  const pid_t pid = fork();
  if (pid < 0) throw std::runtime_error("fork failed");
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  redirect(0, folder_ + "/stdin", O_RDONLY);
  const std::string outputs = folder_ + "/" + std::to_string(getpid());
  redirect(1, outputs + ".out", O_WRONLY | O_CREAT | O_TRUNC);
  redirect(2, outputs + ".err", O_WRONLY | O_CREAT | O_TRUNC);
  if (chdir(folder_.c_str()) == 0) execv(path.c_str(), argv.data());
  _exit(127);
}

Ended Desk::finish(pid_t pid) const {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  const std::string outputs = folder_ + "/" + std::to_string(pid);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), bytes_of(outputs + ".out"),
          bytes_of(outputs + ".err")};
}

Ended Desk::run(const std::string& program, const Arguments& arguments, const std::string& input) const {
  return finish(start(program, arguments, input));
}

Ended Desk::flashsale(const Arguments& arguments, const std::string& input) const {
  return run("flashsale", arguments, input);
}

Json Desk::json(Arguments arguments) const {
  arguments.push_back("--json");
  const Ended ended = flashsale(arguments);
  if (ended.code != 0) throw std::runtime_error(fmt::format("{} said {}: {}", arguments[0], ended.code, ended.err));
  return ended.json();
}

std::vector<std::pair<std::string, std::int64_t>> Desk::sold(const std::string& sale) const {
  const auto rows = read_from(db(), [](SinkTransaction& reading) { return reading.sales(true).value(); });
  std::vector<std::pair<std::string, std::int64_t>> units;
  for (const SaleRow& row : rows)
    if (row.sale == sale)
      for (const ItemRow& item : row.items) units.emplace_back(item.item, item.sold);
  return units;
}

std::vector<OrderRow> Desk::orders(const std::string& sale) const {
  return read_from(
      db(), [&](SinkTransaction& reading) { return reading.orders_by_buyer(SaleId{sale}, "", 1'000'000).value(); });
}

}  // namespace flashsale::test
