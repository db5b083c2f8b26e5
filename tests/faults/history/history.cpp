#include "faults/history/history.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <unordered_map>

namespace flashsale::history {
namespace {

std::string or_dash(std::string text) { return text.empty() ? "-" : text; }

void read_invocation(std::istringstream& in, Op& op) {
  int verb = 0, asked = 0;
  in >> op.from_ns >> verb >> op.buyer >> op.request >> op.item >> op.quantity >> asked;
  op.verb = static_cast<Verb>(verb);
  op.asked = static_cast<Level>(asked);
}

void read_answer(std::istringstream& in, Op& op) {
  int outcome = 0, reached = 0, reason = 0;
  std::string order;
  in >> op.until_ns >> outcome >> order >> reached >> reason >> op.retry_after_ms;
  op.end = Op::End::answer;
  op.outcome = static_cast<Outcome>(outcome);
  op.order = order_id(order).value_or(OrderId{});
  op.reached = static_cast<Level>(reached);
  op.reason = static_cast<PauseReason>(reason);
}

void read_error(std::istringstream& in, Op& op) {
  int error = 0, effect = 0;
  in >> op.until_ns >> error >> effect;
  op.end = Op::End::error;
  op.error = static_cast<ErrorCode>(error);
  op.effect = static_cast<Effect>(effect);
}

}  // namespace

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

Writer::Writer(const std::string& path) : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (fd_ < 0) throw std::runtime_error("cannot write " + path);
}

Writer::~Writer() { close(fd_); }

std::uint64_t Writer::invoked(const Call& call) {
  const std::uint64_t number = ++calls_;
  write_line(fmt::format("i {} {} {} {} {} {} {} {}\n", number, monotonic_ns(), static_cast<int>(call.verb),
                         call.buyer.text(), call.request.text(), or_dash(std::string(call.item.text())), call.quantity,
                         static_cast<int>(call.level)));
  return number;
}

void Writer::heard(std::uint64_t call, const Result<Answer>& answer) {
  if (!answer)
    return write_line(fmt::format("e {} {} {} {}\n", call, monotonic_ns(), static_cast<int>(answer.error().code),
                                  static_cast<int>(answer.error().effect)));
  write_line(fmt::format("a {} {} {} {} {} {} {}\n", call, monotonic_ns(), static_cast<int>(answer->outcome),
                         or_dash(to_string(answer->order)), static_cast<int>(answer->level),
                         static_cast<int>(answer->reason), answer->retry_after_ms));
}

void Writer::write_line(const std::string& line) {
  if (write(fd_, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    throw std::runtime_error("the history's disk is full");
}

std::vector<Op> read_history(const std::string& path, std::size_t client) {
  std::ifstream file(path);
  std::vector<Op> ops;
  std::unordered_map<std::uint64_t, std::size_t> by_call;
  for (std::string line; std::getline(file, line) && !file.eof();) {
    std::istringstream in(line);
    char kind = 0;
    std::uint64_t call = 0;
    in >> kind >> call;
    if (kind == 'i') {
      by_call[call] = ops.size();
      ops.emplace_back();
      ops.back().client = client;
      read_invocation(in, ops.back());
    } else if (const auto at = by_call.find(call); at != by_call.end()) {
      (kind == 'a' ? read_answer : read_error)(in, ops[at->second]);
    } else {
      in.setstate(std::ios::failbit);
    }
    if (!in) throw std::runtime_error(path + " has a line that does not read: " + line);
  }
  return ops;
}

}  // namespace flashsale::history
