/// Runs the library's Lua scripts, the very text that Redis runs, in Lua 5.1.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "simulation/keyspace.hpp"

struct lua_State;

namespace flashsale::simulation {

/// What a script may ask its server: one command, one reply.
using Execute = std::function<Reply(const Words&)>;

class LuaHost {
 public:
  LuaHost();
  ~LuaHost();
  LuaHost(const LuaHost&) = delete;
  LuaHost& operator=(const LuaHost&) = delete;

  /// Runs `source` (its `#!lua` line is passed over) as Redis would: KEYS, ARGV, redis.call and redis.pcall. Compiles
  /// each text once.
  Reply run(std::string_view source, const Words& keys, const Words& arguments, const Execute& execute);

 private:
  void compile(std::string_view source);

  lua_State* state_;
  std::map<std::string, int, std::less<>> compiled_;  // source -> reference to its function
};

}  // namespace flashsale::simulation
