#!lua
-- credit.lua: frees the units and the buyers' limits of orders that the database has as returned. PROTOCOL section 7.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers
-- ARGV[1] epoch  [2] uuid  [3] not_after_ms  [4] nonce
-- ARGV[5..] per order (at most 500): buyer, "<index> <epoch>-<seq>"
-- Returns {nonce, verdict, now_ms, orders credited}: ok; late, stale, fenced, absent, layout, not_primary.
-- By compare-and-set: releasing becomes released, expiring becomes expired; any other state, or no record, is left as
-- it is, so that crediting an order again does nothing. It is no entry of the journal, for it says nothing that the
-- database does not know; and a Redis that forgets it is one that lost its history, which is rebuilt.
-- Units of an item of which nothing could be sold are sold from its reopen_ms on (PROTOCOL section 9).
-- Cost: O(orders), about 2 ms of Redis at most.
local A, call, find, match, sub = ARGV, redis.call, string.find, string.match, string.sub
local function refuse(verdict, now) return {A[4], verdict, now or 0} end
local n = (#A - 4) / 2
if n < 1 or n > 500 or n % 1 ~= 0 then return redis.error_reply('FLASHSALE ARGV') end

local info = call('INFO', 'replication')
if not find(info, 'role:master', 1, true) then return refuse('not_primary') end
local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'hist', 'rec', 'last_ms', 'uuid', 'probe_ms')
local guard = call('HGET', KEYS[2], '#')
if not m[1] and not guard then return refuse('absent') end
if m[1] ~= '2' then return refuse(m[1] and 'layout' or 'fenced') end
if guard ~= m[2] or m[4] ~= '' then return refuse('fenced') end
if not find(info, '\nmaster_replid:' .. m[3] .. '\r', 1, true) then return refuse('fenced') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now < tonumber(m[5]) then now = tonumber(m[5]) end
if m[2] ~= A[1] or m[6] ~= A[2] then return refuse('stale', now) end
if not find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end

local mine, freed, records = {}, {}, {}
for i = 5, #A, 2 do
  local buyer = A[i]
  local rec = mine[buyer] or call('HGET', KEYS[2], buyer)
  local s, e
  if rec then s, e = find(rec, ' ' .. A[i+1] .. ' ', 1, true) end
  local state = s and sub(rec, e + 1, e + 1)
  if state == 'g' or state == 'x' then
    local item, units = match(sub(rec, 1, s - 1), ' (%d+) (%d+)$')
    -- The head's share of this item; it is there, since the order counts until now.
    local key = ' ' .. item .. '='
    local _, p = find(rec, key, 1, true)
    local held, after = match(rec, '^(%d+)()', p + 1)
    rec = sub(rec, 1, e) .. (state == 'g' and 'd' or 'e') .. sub(rec, e + 2)
    rec = sub(rec, 1, p) .. string.format('%d', held - units) .. sub(rec, after)
    mine[buyer] = rec
    freed[item] = (freed[item] or 0) + units
    local x = #records
    records[x + 1], records[x + 2] = buyer, rec
  end
end

if #records > 0 then
  call('HSET', KEYS[2], unpack(records))
  local u = {'last_ms', string.format('%d', now)}
  for item, units in pairs(freed) do
    local row = call('HMGET', KEYS[1], 'total:' .. item, 'booked:' .. item, 'reopen_ms:' .. item)
    local total, booked, reopen = tonumber(row[1]), tonumber(row[2]), tonumber(row[3])
    local becomes = booked - units
    local x = #u
    u[x + 1], u[x + 2] = 'booked:' .. item, string.format('%d', becomes)
    if total <= booked and becomes < total and now >= reopen then
      u[x + 3], u[x + 4] = 'reopen_ms:' .. item, string.format('%d', now + m[7])
    end
  end
  call('HSET', KEYS[1], unpack(u))
end
return {A[4], 'ok', now, #records / 2}
