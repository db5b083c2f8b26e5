/// The funnel: attempts, each answer, booked of total, persisted, lag. Redrawn in place on a terminal, else a line.
#pragma once

#include <flashsale/flashsale.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cli {

/// What is known at one moment; what is not is left out of the picture.
struct Funnel {
  std::string sale;
  std::string phase;
  double seconds = 0;
  std::optional<std::uint64_t> attempts;
  std::uint64_t attempts_total = 0;
  std::map<std::string, std::uint64_t> answers;
  std::vector<flashsale::SaleStatus::Item> items;
  std::optional<std::uint64_t> held;       ///< orders held and not confirmed, in a sale with holds
  std::optional<std::uint64_t> persisted;  ///< units in the database
  std::uint64_t lag = 0;                   ///< entries not handed over yet
};

/// What a sale's status and the database tell of it. Without a sink, or while it does not answer, nothing is persisted
/// as far as anybody knows.
Funnel funnel_of(const flashsale::SaleStatus& status, flashsale::OrderSink* sink, flashsale::Deadline deadline);

class Canvas {
 public:
  explicit Canvas(std::FILE* out);

  bool is_terminal() const { return is_terminal_; }
  /// Draws over the last picture; elsewhere prints one line if it differs from the last one.
  void draw(const Funnel& funnel);
  /// A line of its own under the picture; the next picture is drawn below it.
  void say(const std::string& line);

 private:
  std::FILE* const out_;
  const bool is_terminal_;
  std::size_t lines_ = 0;  ///< of the last picture
  std::string last_;
};

}  // namespace cli
