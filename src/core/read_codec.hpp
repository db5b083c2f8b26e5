/// The caller's side of read.lua: commands as its arguments, and what it saw.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "flashsale/connection.hpp"

namespace flashsale::core {

/// One moment at a primary: its time, what INFO replication says there, and a reply to each command.
struct PrimaryRead {
  std::int64_t now_ms = 0;
  std::string replication;
  std::vector<Reply> replies;
};

/// The keys of `commands`, each once; of a command with a key it is the second word, of any other there is none.
std::vector<std::string_view> keys_of(const std::vector<Command>& commands);

/// Appends `commands` as read.lua reads them: of each the number of its words, then the words.
void append_commands(const std::vector<Command>& commands, std::vector<std::string>& arguments);

/// What the fields of the script's reply say, its nonce checked by the caller. Error: protocol, effect none: nothing
/// was changed.
Result<PrimaryRead> take_read(std::vector<Reply> fields, std::size_t command_count);

}  // namespace flashsale::core
