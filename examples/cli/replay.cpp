// replay: a recorded crowd, sent again.
//
// Lines wait in a window from the moment they are read until every line before them was answered too: so the answers
// come out in file order, and a file of any length needs little memory.
#include <fmt/format.h>

#include <deque>
#include <fstream>
#include <map>
#include <set>

#include "attempts_file.hpp"
#include "digest.hpp"
#include "pump.hpp"
#include "stop_signal.hpp"
#include "text.hpp"
#include "verbs.hpp"

namespace cli {

using namespace flashsale;

namespace {

struct ReplayOptions {
  std::string sale, file, answers;
  bool ordered = false;
};

/// A field of a tab-separated line: ids that no sale accepts may hold tabs and line ends.
std::string field(const std::string& text) {
  std::string escaped;
  for (const char byte : text) {
    if (byte == '\\')
      escaped += "\\\\";
    else if (byte == '\t')
      escaped += "\\t";
    else if (byte == '\n')
      escaped += "\\n";
    else if (byte == '\r')
      escaped += "\\r";
    else
      escaped += byte;
  }
  return escaped;
}

class Replay : public Crowd {
 public:
  explicit Replay(const ReplayOptions& options) : sale_(options.sale), file_(options.file) {
    if (options.answers.empty()) return;
    answers_file_.open(options.answers, std::ios::binary);
    if (!answers_file_) usage(fmt::format("--answers: cannot write {}", in_quotes(options.answers)));
  }

  bool next(Call& call) override {
    if (StopSignal::came()) return false;
    auto attempt = file_.next();
    if (!attempt) return false;
    window_.push_back({std::move(*attempt), {}, {}});
    call = again(first_ + window_.size() - 1);
    return true;
  }

  Call again(std::uint64_t tag) override {
    const Attempt& attempt = window_[tag - first_].attempt;
    Call call{SaleId{sale_}, ItemId{attempt.item}, BuyerId{attempt.buyer}, RequestId{attempt.request}};
    call.quantity = attempt.quantity;
    call.payload = attempt.payload;
    call.tag = tag;
    return call;
  }

  void hear(const Event& event) override {
    Line& line = window_[event.tag - first_];
    line.answer = event.is_outcome() ? name(event.outcome()) : name(event.error());
    if (event.is_outcome()) line.order = event.order();
    // One order may be told to several attempts, and the one that won it may only hear `already_reserved`.
    if (event.is_outcome() && holds_stock(event.outcome()) && orders_.insert(line.order).second)
      booked_[line.attempt.item] += line.attempt.quantity;
    for (; !window_.empty() && !window_.front().answer.empty(); window_.pop_front(), ++first_) write(window_.front());
  }

  /// The report; `items` gives those that nobody won.
  Json report(const std::vector<SaleStatus::Item>& items) {
    Json booked = Json::object();
    for (const auto& item : items) booked[item.item] = booked_[item.item];
    return {{"sale", sale_},
            {"attempts", first_},
            {"answers", answers_},
            {"booked", booked},
            {"bad_lines", file_.bad_lines()},
            {"answers_sha256", digest_.hex()}};
  }

  bool went_well() {
    if (answers_file_.is_open() && !answers_file_.flush()) {
      fmt::print(stderr, "flashsale: --answers could not be written to its end\n");
      return false;
    }
    return !file_.is_broken();
  }

 private:
  struct Line {
    Attempt attempt;
    std::string_view answer;  ///< empty: not answered yet
    OrderId order;
  };

  void write(const Line& line) {
    ++answers_[std::string(line.answer)];
    digest_.add(fmt::format("{} {}\n", line.attempt.request, line.answer));
    if (answers_file_.is_open())
      answers_file_ << field(line.attempt.request) << '\t' << field(line.attempt.buyer) << '\t' << line.answer << '\t'
                    << to_string(line.order) << '\n';
  }

  const std::string sale_;
  AttemptsFile file_;
  std::ofstream answers_file_;
  std::deque<Line> window_;  // its front has the tag first_
  std::uint64_t first_ = 0;
  std::set<OrderId> orders_;
  std::map<std::string, std::uint64_t> answers_;
  std::map<std::string, std::uint64_t> booked_;
  Sha256 digest_;
};

std::string describe(const Json& report) {
  std::string text = fmt::format("{} attempts", with_commas(report["attempts"].get<std::uint64_t>()));
  for (const auto& [answer, count] : report["answers"].items())
    text += fmt::format("\n  {:<18}{:>12}", answer, with_commas(count.get<std::uint64_t>()));
  text += "\nbooked";
  for (const auto& [item, units] : report["booked"].items())
    text += fmt::format("\n  {:<18}{:>12}", item, with_commas(units.get<std::uint64_t>()));
  if (report["bad_lines"] != 0) text += fmt::format("\nbad lines {}", report["bad_lines"].get<std::uint64_t>());
  return text + "\nanswers_sha256 " + report["answers_sha256"].get<std::string>();
}

int replay(Session& session, const ReplayOptions& options) {
  // First of all, so that a missing sale or Redis is one clear error instead of one an attempt.
  const SaleStatus status = need(session.looking_controller().status(SaleId{options.sale}, Role::primary));
  Replay crowd(options);
  GateOptions how;
  how.timeout = kTimeoutMax;
  if (options.ordered) how.lanes = 1;
  const StopSignal signal;
  {
    StockGate gate(session.pool(), how);
    pump(gate, crowd);
  }
  const bool went_well = crowd.went_well() && !StopSignal::came();
  const Json report = crowd.report(status.items);
  return session.finish(report, describe(report), went_well ? kYes : kError);
}

}  // namespace

void add_replay(CLI::App& app, Run& run) {
  const auto options = std::make_shared<ReplayOptions>();
  CLI::App* const verb = app.add_subcommand("replay", "Send a recorded crowd, and count its answers");
  verb->add_option("SALE", options->sale, "The sale\'s id")->required();
  verb->add_option("--file", options->file,
                   "Lines of {\"request\", \"buyer\", \"item\", \"quantity\", \"payload\"}, plain or gzip; - is stdin")
      ->required();
  verb->add_flag("--ordered", options->ordered, "Decided in file order (one lane)");
  verb->add_option("--answers", options->answers, "Write request, buyer, answer and order of each line, tab-separated");
  verb->callback([options, &run] { run = [options](Session& session) { return replay(session, *options); }; });
}

}  // namespace cli
