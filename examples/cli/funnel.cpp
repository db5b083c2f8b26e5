#include "funnel.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "sale_text.hpp"
#include "text.hpp"

namespace cli {

using namespace flashsale;

namespace {

std::string attempts_text(const Funnel& funnel) {
  return fmt::format("{} of {}", with_commas(*funnel.attempts), with_commas(funnel.attempts_total));
}

std::string picture(const Funnel& funnel) {
  std::string text = fmt::format("{}  {}  {:.1f} s\n", funnel.sale, funnel.phase, funnel.seconds);
  if (funnel.attempts) text += fmt::format("  {:<20}{:>26}\n", "attempts", attempts_text(funnel));
  for (const auto& [answer, count] : funnel.answers)
    text += fmt::format("    {:<18}{:>12}\n", answer, with_commas(count));
  for (const auto& item : funnel.items) text += "  " + item_line(item, name_width(funnel.items)) + "\n";
  if (funnel.held) text += fmt::format("  {:<20}{:>12} orders\n", "held", with_commas(*funnel.held));
  if (funnel.persisted) text += fmt::format("  {:<20}{:>12} units\n", "persisted", with_commas(*funnel.persisted));
  return text + fmt::format("  {:<20}{:>12} entries\n", "lag", with_commas(funnel.lag));
}

std::string line(const Funnel& funnel) {
  std::string text = fmt::format("{} {}", funnel.sale, funnel.phase);
  if (funnel.attempts) text += ", attempts " + attempts_text(funnel);
  for (const auto& [answer, count] : funnel.answers) text += fmt::format(", {} {}", answer, with_commas(count));
  for (const auto& item : funnel.items)
    text += fmt::format(", {} {} of {} booked", item.item, with_commas(item.booked), with_commas(item.total));
  if (funnel.held) text += fmt::format(", held {} orders", with_commas(*funnel.held));
  if (funnel.persisted) text += fmt::format(", persisted {} units", with_commas(*funnel.persisted));
  return text + fmt::format(", lag {} entries", with_commas(funnel.lag));
}

std::optional<std::uint64_t> persisted_units(OrderSink& sink, const std::string& sale, Deadline deadline) {
  const auto transaction = sink.begin(OrderSink::Access::read, deadline);
  if (!transaction) return std::nullopt;
  const auto rows = (*transaction)->sales(true);
  if (!rows) return std::nullopt;
  for (const SaleRow& row : *rows) {
    if (row.sale != sale) continue;
    std::int64_t units = 0;
    for (const ItemRow& item : row.items) units += item.sold;
    return static_cast<std::uint64_t>(units);
  }
  return std::nullopt;
}

}  // namespace

Funnel funnel_of(const SaleStatus& status, OrderSink* sink, Deadline deadline) {
  Funnel funnel;
  funnel.sale = status.sale;
  funnel.phase = status.fenced ? "fenced" : status.phase();
  funnel.items = status.items;
  funnel.lag = status.waiting;
  if (status.hold_ms > 0) funnel.held = status.held;
  if (sink != nullptr) funnel.persisted = persisted_units(*sink, status.sale, deadline);
  return funnel;
}

Canvas::Canvas(std::FILE* out) : out_(out), is_terminal_(isatty(fileno(out)) == 1) {}

void Canvas::draw(const Funnel& funnel) {
  const std::string text = is_terminal_ ? picture(funnel) : line(funnel) + "\n";
  if (text == last_) return;
  if (is_terminal_ && lines_ > 0) fmt::print(out_, "\x1b[{}A\x1b[J", lines_);
  std::fwrite(text.data(), 1, text.size(), out_);
  std::fflush(out_);
  lines_ = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  last_ = text;
}

void Canvas::say(const std::string& text) {
  fmt::print(out_, "{}\n", text);
  std::fflush(out_);
  lines_ = 0;
}

}  // namespace cli
