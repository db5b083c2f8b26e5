#!lua
-- probe.lua: writes a word, so that a plain read of it tells who answers plain reads; says what server this is.
--
-- KEYS[1] fs:{S}:info, whose fields with a '#' are no item's
-- ARGV[1] nonce  [2] the field, of this look alone: others may look at the same moment  [3] the word; "" removes it
-- Returns {nonce, verdict, now_ms, text of INFO server}: ok; not_primary.
-- Cost: O(1).
local A, call = ARGV, redis.call
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if not string.find(call('INFO', 'replication'), 'role:master', 1, true) then return {A[1], 'not_primary', now} end
if A[3] == '' then
  call('HDEL', KEYS[1], A[2])
else
  call('HSET', KEYS[1], A[2], A[3])  -- on a line of its own: Redis 7.0 names the line of a rule that is missing
end
return {A[1], 'ok', now, call('INFO', 'server')}
