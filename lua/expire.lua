#!lua
-- expire.lua: sweeps up to 500 holds whose deadline has passed, oldest first, and journals them. PROTOCOL section 7.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal  KEYS[4] fs:{S}:holds
-- ARGV[1] epoch  [2] uuid  [3] not_after_ms  [4] nonce
-- Returns {nonce, verdict, now_ms, orders expired, holds looked at, next deadline in ms or 0}: ok; late, stale, fenced,
--   absent, layout. 500 looked at: call again.
-- A hold whose order is not reserved any more is only forgotten. Units and limit stay booked: credit.lua frees them
-- once the database has it. Nothing is written before the one write that can refuse, XADD.
-- Cost: O(500 log holds), about 2 ms of Redis at most.
local A, call, find, match, sub = ARGV, redis.call, string.find, string.match, string.sub
local function refuse(verdict, now) return {A[4], verdict, now or 0} end

local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'hist', 'rec', 'seq', 'link', 'last_ms', 'uuid')
local guard = call('HGET', KEYS[2], '#')
if not m[1] and not guard then return refuse('absent') end
if m[1] ~= '1' then return refuse(m[1] and 'layout' or 'fenced') end
if guard ~= m[2] or m[4] ~= '' then return refuse('fenced') end
if not find(call('INFO', 'replication'), '\nmaster_replid:' .. m[3] .. '\r', 1, true) then return refuse('fenced') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now < tonumber(m[7]) then now = tonumber(m[7]) end
if m[2] ~= A[1] or m[8] ~= A[2] then return refuse('stale', now) end
if not find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end

local now_text = string.format('%d', now)
local due = call('ZRANGE', KEYS[4], '-inf', now_text, 'BYSCORE', 'LIMIT', '0', '500')
local buyers, ids = {}, {}
for i = 1, #due do ids[i], buyers[i] = match(due[i], '^(%d+%-%d+%.%d+) (.+)$') end
local has = #due > 0 and call('HMGET', KEYS[2], unpack(buyers)) or {}
local items, mine, entry, records = {}, {}, {}, {}
for i = 1, #due do
  local buyer, id = buyers[i], ids[i]
  local rec = mine[buyer] or has[i]
  -- The order's line by its id: `<request> <item> <quantity> <index> <epoch>-<seq> r`.
  local at, index = match(id, '^(.*)%.(%d+)$')
  local s, e
  if rec then s, e = find(rec, ' ' .. index .. ' ' .. at .. ' r', 1, true) end
  if s then
    local request, item, units = match(sub(rec, 1, s - 1), '\n([^\n ]+) (%d+) (%d+)$')
    rec = sub(rec, 1, e - 1) .. 'x' .. match(rec, '^ ?%d*(.*)$', e + 1)
    mine[buyer] = rec
    items[item] = items[item] or call('HGET', KEYS[1], 'item:' .. item)
    local x = #entry
    entry[x + 1], entry[x + 2] = buyer, id .. ' ' .. items[item] .. ' ' .. units .. ' ' .. request
    records[x + 1], records[x + 2] = buyer, rec
  end
end

if #entry > 0 then
  local seq = string.format('%d', m[5] + 1)
  local id = A[1] .. '-' .. seq
  local x = redis.pcall('XADD', KEYS[3], 'NOMKSTREAM', id, 'h',
    '1 expire ' .. A[4] .. ' ' .. m[6] .. ' ' .. now_text .. ' 0', unpack(entry))
  if x ~= id then return refuse('fenced', now) end
  call('HSET', KEYS[1], 'seq', seq, 'link', A[4], 'last_ms', now_text)
  call('HSET', KEYS[2], unpack(records))
end
if #due > 0 then call('ZREM', KEYS[4], unpack(due)) end
local next_due = call('ZRANGE', KEYS[4], '0', '0', 'WITHSCORES')
return {A[4], 'ok', now, #entry / 2, #due, tonumber(next_due[2] or 0)}
