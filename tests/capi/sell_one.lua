-- A language without a binding sells a unit with flashsale.h and the library alone (LuaJIT's FFI):
--   luajit sell_one.lua HEADER LIBRARY REDIS_URL DATABASE [HIREDIS SOCKET]
-- With HIREDIS, that library is in the process before ours, its symbols global, and is used beside it.
local ffi = require("ffi")
local header, library, url, database, hiredis, socket = unpack(arg)

-- The header as a compiler sees it, less what LuaJIT knows by itself: the two standard headers.
local function preprocessed()
  local empty = os.tmpname()
  os.execute("rm " .. empty .. " && mkdir " .. empty .. " && touch " .. empty .. "/stddef.h " .. empty .. "/stdint.h")
  local cpp = io.popen("cc -E -P -nostdinc -I " .. empty .. " '-D__attribute__(x)=' '" .. header .. "'")
  local text = cpp:read("*a")
  cpp:close()
  os.execute("rm -r " .. empty)
  return text
end

local other
if hiredis then
  ffi.cdef [[
    typedef struct { int type; long long integer; } other_reply; // the part that all of its versions have alike
    void* redisConnectUnix(const char* path);
    void* redisCommand(void* context, const char* format, ...);
    void freeReplyObject(void* reply);
    void redisFree(void* context);
  ]]
  other = ffi.load(hiredis, true) -- RTLD_GLOBAL
end

ffi.cdef(preprocessed())
local C = ffi.load(library)

local failure = ffi.new("flashsale_error_t*[1]")
local function need(code)
  if code < 0 then error(ffi.string(C.flashsale_error_message(failure[0]))) end
  return code
end
local function make(kind, create, ...)
  local handle = ffi.new("flashsale_" .. kind .. "_t*[1]")
  local arguments = {...}
  arguments[#arguments + 1] = handle
  arguments[#arguments + 1] = failure
  need(create(unpack(arguments)))
  return handle
end

local pool = make("pool", C.flashsale_pool_create, url, #url, ffi.cast("flashsale_options_t*", nil))
local sink = make("sink", C.flashsale_sink_create, database, #database)
local sales = make("controller", C.flashsale_controller_create, pool[0], sink[0], ffi.cast("flashsale_options_t*", nil))
local gate = make("gate", C.flashsale_gate_create, pool[0], ffi.cast("flashsale_options_t*", nil))
local id = hiredis and "beside" or "alone"
local sale = make("sale", C.flashsale_sale_create, id, #id, ffi.cast("flashsale_options_t*", nil))
need(C.flashsale_sale_item(sale[0], "sneaker", 7, 10, 1, failure))
need(C.flashsale_controller_create_sale(sales[0], sale[0], failure))
need(C.flashsale_controller_open(sales[0], id, #id, failure))

local call = ffi.new("flashsale_call_t")
call.struct_size, call.quantity, call.timeout_ms = ffi.sizeof(call), 1, 20000
local function set(name, text) call[name], call[name .. "_size"] = text, #text end
set("sale", id)
set("item", "sneaker")
set("buyer", "ann")
set("request", "click-1")
local answer = ffi.new("flashsale_answer_t")
answer.struct_size = ffi.sizeof(answer)
local outcome = need(C.flashsale_gate_reserve(gate[0], call, answer, failure))
assert(outcome == C.FLASHSALE_RESERVED, "outcome " .. outcome)

if other then
  local context = other.redisConnectUnix(socket)
  local reply = ffi.cast("other_reply*", other.redisCommand(context, "HINCRBY fs:{beside}:meta booked:1 0"))
  assert(reply ~= nil and reply.integer == 1, "the other hiredis does not see the unit")
  other.freeReplyObject(reply)
  other.redisFree(context)
end

print("reserved, order " .. ffi.string(answer.order))
C.flashsale_sale_destroy(sale)
C.flashsale_gate_destroy(gate)
C.flashsale_controller_destroy(sales)
C.flashsale_sink_destroy(sink)
C.flashsale_pool_destroy(pool)
