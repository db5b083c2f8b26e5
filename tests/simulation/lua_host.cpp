#include "simulation/lua_host.hpp"

#include <cmath>
#include <lua.hpp>
#include <stdexcept>

namespace flashsale::simulation {
namespace {

const Execute*& current() {
  static thread_local const Execute* execute = nullptr;
  return execute;
}

// Redis' conversion of a reply to Lua: nil is false, errors and statuses are tables, an integer is a number.
void push(lua_State* state, const Reply& reply) {
  luaL_checkstack(state, 4, "reply too deep");
  switch (reply.type) {
    case Reply::Type::nil:
      lua_pushboolean(state, 0);
      return;
    case Reply::Type::integer:
      lua_pushnumber(state, static_cast<lua_Number>(reply.integer));
      return;
    case Reply::Type::text:
      lua_pushlstring(state, reply.text.data(), reply.text.size());
      return;
    case Reply::Type::error:
      lua_createtable(state, 0, 1);
      lua_pushlstring(state, reply.text.data(), reply.text.size());
      lua_setfield(state, -2, "err");
      return;
    case Reply::Type::array:
      lua_createtable(state, static_cast<int>(reply.elements.size()), 0);
      for (std::size_t i = 0; i < reply.elements.size(); ++i) {
        push(state, reply.elements[i]);
        lua_rawseti(state, -2, static_cast<int>(i) + 1);
      }
      return;
  }
}

std::string to_text(lua_State* state, int index) {
  std::size_t size = 0;
  const char* bytes = lua_tolstring(state, index, &size);
  return bytes == nullptr ? std::string() : std::string(bytes, size);
}

// And back: a number loses its fraction, true is 1, false is nil, a table ends at its first nil.
Reply pull(lua_State* state, int index) {
  switch (lua_type(state, index)) {
    case LUA_TNUMBER:
      return integer(static_cast<std::int64_t>(lua_tonumber(state, index)));
    case LUA_TSTRING:
      return text(to_text(state, index));
    case LUA_TBOOLEAN:
      return lua_toboolean(state, index) ? integer(1) : nil();
    case LUA_TTABLE:
      break;
    default:
      return nil();
  }
  for (const char* field : {"err", "ok"}) {
    lua_getfield(state, index, field);
    if (lua_isstring(state, -1)) {
      std::string words = to_text(state, -1);
      lua_pop(state, 1);
      return field[0] == 'e' ? error(std::move(words)) : text(std::move(words));
    }
    lua_pop(state, 1);
  }
  std::vector<Reply> elements;
  for (int i = 1;; ++i) {
    lua_rawgeti(state, index, i);
    if (lua_isnil(state, -1)) break;
    elements.push_back(pull(state, lua_gettop(state)));
    lua_pop(state, 1);
  }
  lua_pop(state, 1);
  return array(std::move(elements));
}

// A number argument is written as Lua writes it, which for a large one is not its digits: as in Redis.
Reply ask(lua_State* state) {
  Words words;
  for (int i = 1; i <= lua_gettop(state); ++i) {
    if (!lua_isstring(state, i)) return error("ERR Lua redis lib command arguments must be strings or integers");
    words.push_back(to_text(state, i));
  }
  return (*current())(words);
}

int call(lua_State* state) {
  {
    const Reply reply = ask(state);
    push(state, reply);
    if (reply.type != Reply::Type::error) return 1;
  }
  return lua_error(state);
}

int protected_call(lua_State* state) {
  push(state, ask(state));
  return 1;
}

int error_reply(lua_State* state) {
  push(state, error(to_text(state, 1)));
  return 1;
}

}  // namespace

LuaHost::LuaHost() : state_(luaL_newstate()) {
  luaL_openlibs(state_);
  lua_createtable(state_, 0, 3);
  lua_pushcfunction(state_, call);
  lua_setfield(state_, -2, "call");
  lua_pushcfunction(state_, protected_call);
  lua_setfield(state_, -2, "pcall");
  lua_pushcfunction(state_, error_reply);
  lua_setfield(state_, -2, "error_reply");
  lua_setglobal(state_, "redis");
}

LuaHost::~LuaHost() { lua_close(state_); }

void LuaHost::compile(std::string_view source) {
  std::string_view body = source;
  if (body.substr(0, 2) == "#!") body.remove_prefix(body.find('\n'));
  if (luaL_loadbuffer(state_, body.data(), body.size(), "@user_script") != 0)
    throw std::logic_error("a script does not compile: " + to_text(state_, -1));
  compiled_.emplace(source, luaL_ref(state_, LUA_REGISTRYINDEX));
}

Reply LuaHost::run(std::string_view source, const Words& keys, const Words& arguments, const Execute& execute) {
  if (compiled_.find(source) == compiled_.end()) compile(source);
  const auto set_list = [&](const char* name, const Words& words) {
    lua_createtable(state_, static_cast<int>(words.size()), 0);
    for (std::size_t i = 0; i < words.size(); ++i) {
      lua_pushlstring(state_, words[i].data(), words[i].size());
      lua_rawseti(state_, -2, static_cast<int>(i) + 1);
    }
    lua_setglobal(state_, name);
  };
  set_list("KEYS", keys);
  set_list("ARGV", arguments);
  current() = &execute;
  lua_rawgeti(state_, LUA_REGISTRYINDEX, compiled_.find(source)->second);
  const int failed = lua_pcall(state_, 0, 1, 0);
  current() = nullptr;
  Reply reply =
      failed == 0 || lua_istable(state_, -1) ? pull(state_, lua_gettop(state_)) : error("ERR " + to_text(state_, -1));
  lua_settop(state_, 0);
  return reply;
}

}  // namespace flashsale::simulation
