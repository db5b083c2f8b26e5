#include "core/read_codec.hpp"

#include <algorithm>
#include <iterator>

#include "core/times.hpp"

namespace flashsale::core {

std::vector<std::string_view> keys_of(const std::vector<Command>& commands) {
  std::vector<std::string_view> keys;
  for (const Command& command : commands) {
    const bool has_key = command.size() > 1 && command[0] != "INFO";
    if (has_key && std::find(keys.begin(), keys.end(), command[1]) == keys.end()) keys.push_back(command[1]);
  }
  return keys;
}

void append_commands(const std::vector<Command>& commands, std::vector<std::string>& arguments) {
  for (const Command& command : commands) {
    arguments.push_back(std::to_string(command.size()));
    arguments.insert(arguments.end(), command.begin(), command.end());
  }
}

Result<PrimaryRead> take_read(std::vector<Reply> fields, std::size_t command_count) {
  constexpr std::size_t kHead = 4;
  if (fields.size() != kHead + command_count || fields[1].text != "ok" || !is_time(fields[2].integer))
    return fail(ErrorCode::protocol, "the reply of read.lua does not read");
  PrimaryRead read;
  read.now_ms = fields[2].integer;
  read.replication = std::move(fields[3].text);
  read.replies.assign(std::make_move_iterator(fields.begin() + kHead), std::make_move_iterator(fields.end()));
  return read;
}

}  // namespace flashsale::core
