/// The Lua scripts, embedded at build time from lua/*.lua with the digests that Redis knows them by.
#pragma once

#include <cstddef>
#include <string_view>

namespace flashsale::core {

struct Script {
  std::string_view name;  ///< the file's name without `.lua`
  std::string_view sha1;  ///< as SCRIPT LOAD answers
  std::string_view text;
};

struct ScriptTable {
  const Script* rows;
  std::size_t count;
  const Script* begin() const { return rows; }
  const Script* end() const { return rows + count; }
};

ScriptTable embedded_scripts();

/// The script of that name. It must exist: names are written in our own sources only.
const Script& script(std::string_view name);

}  // namespace flashsale::core
