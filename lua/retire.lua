#!lua flags=allow-oom
-- retire.lua: removes a closed sale from Redis, once everything it sold was handed over. In journal mode in two calls:
-- the first fences it, so that no confirm, release or expiry comes in between; then the database says `retired`; the
-- second removes it. A sale that was left fenced in between is reconciled like any other.
--
-- KEYS[1] fs:{S}:meta  [2] buyers  [3] journal  [4] holds  [5] winners  [6] info  [7] ops  [8] orders  [9] consumers
-- ARGV[1] epoch  [2] uuid  [3] not_after_ms  [4] nonce
-- ARGV[5] "retired" if the database says that this uuid is; else the database's watermark, in list mode ""
-- Returns {nonce, verdict, now_ms, state}: ok; state (not closed: its state follows); waiting (not all is handed over);
--   late, stale, fenced, absent, layout, not_primary.
-- Once the database has retired the sale only the uuid counts: nobody reconciles it or carries its journal any more, so
-- a lost history, an evicted key or a restock that came in between must not keep its keys here for ever.
-- It runs when memory is full as well (allow-oom), since it frees some.
-- Cost: O(1); the keys are freed in the background.
local A, call = ARGV, redis.call
local function refuse(verdict, now) return {A[4], verdict, now or 0} end
local info = call('INFO', 'replication')
if not string.find(info, 'role:master', 1, true) then return refuse('not_primary') end
local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'seq', 'watermark', 'queue', 'state', 'uuid', 'hist', 'rec')
local guard = call('HGET', KEYS[2], '#')
local forced = A[5] == 'retired'
if call('EXISTS', unpack(KEYS)) == 0 then return refuse('absent') end
if m[1] and m[1] ~= '2' then return refuse('layout') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if forced then
  if m[7] and m[7] ~= A[2] then return refuse('stale', now) end
else
  if not m[1] and not guard then return refuse('absent') end
  if not m[1] or guard ~= m[2] or (m[9] ~= '' and m[9] ~= 'retire') then return refuse('fenced') end
  if not string.find(info, '\nmaster_replid:' .. m[8] .. '\r', 1, true) then return refuse('fenced') end
  if m[2] ~= A[1] or m[7] ~= A[2] then return refuse('stale', now) end
end
if not string.find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end
if not forced then
  if m[6] ~= 'closed' then return {A[4], 'state', now, m[6]} end
  if m[5] == 'list' then
    if call('LLEN', KEYS[8]) > 0 or call('ZCARD', KEYS[9]) > 0 then return refuse('waiting', now) end
  else
    if A[5] ~= m[2] .. '-' .. m[3] then return refuse('waiting', now) end
    call('HSET', KEYS[1], 'rec', 'retire')
    return {A[4], 'ok', now}
  end
end
call('UNLINK', unpack(KEYS))
return {A[4], 'ok', now}
