#include "core/record_codec.hpp"

#include <algorithm>
#include <charconv>

#include "core/numbers.hpp"
#include "core/positions.hpp"

namespace flashsale::core {
namespace {

template <class Integer>
void append(std::string& out, Integer value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value).ptr;
  out.append(digits, end);
}

}  // namespace

RecordState record_state(OrderState state) {
  switch (state) {
    case OrderState::reserved:
      return RecordState::reserved;
    case OrderState::confirmed:
      return RecordState::confirmed;
    case OrderState::released:
      return RecordState::released;
    case OrderState::expired:
      return RecordState::expired;
  }
  return RecordState::dead;
}

bool holds_units(RecordState state) { return state != RecordState::released && state != RecordState::expired; }

void RecordWriter::add(const RecordLine& line) {
  ++orders_;
  if (holds_units(line.state)) {
    const auto found =
        std::find_if(held_.begin(), held_.end(), [&](const auto& entry) { return entry.first == line.item; });
    if (found == held_.end())
      held_.emplace_back(line.item, line.quantity);
    else
      found->second += line.quantity;
  }
  lines_ += '\n';
  lines_ += line.request;
  lines_ += ' ';
  append(lines_, line.item);
  lines_ += ' ';
  append(lines_, line.quantity);
  lines_ += ' ';
  append(lines_, line.order.index);
  lines_ += ' ';
  append(lines_, line.order.at.epoch);
  lines_ += '-';
  append(lines_, line.order.at.seq);
  lines_ += ' ';
  lines_ += static_cast<char>(line.state);
  if (line.state == RecordState::reserved && line.hold_until_ms > 0) {
    lines_ += ' ';
    append(lines_, line.hold_until_ms);
  }
}

void RecordWriter::finish(std::string& out) {
  append(out, orders_);
  for (const auto& [item, units] : held_) {
    out += ' ';
    append(out, item);
    out += '=';
    append(out, units);
  }
  out += lines_;
  orders_ = 0;
  held_.clear();
  lines_.clear();
}

std::vector<ReadLine> read_record(std::string_view record) {
  std::vector<ReadLine> lines;
  for (auto end = record.find('\n'); end != std::string_view::npos;) {
    record.remove_prefix(end + 1);
    end = record.find('\n');
    std::string_view text = record.substr(0, end);
    ReadLine line;
    line.request = next_word(text);
    const auto item = to_number<std::size_t>(next_word(text));
    const auto quantity = to_number<std::int64_t>(next_word(text));
    const auto index = to_number<std::uint32_t>(next_word(text));
    const auto at = to_position(next_word(text));
    const auto state = next_word(text);
    if (!item || !quantity || !index || !at || state.size() != 1) continue;
    line.item = *item;
    line.quantity = *quantity;
    line.order = {*at, *index};
    line.state = state[0];
    lines.push_back(line);
  }
  return lines;
}

}  // namespace flashsale::core
