#!lua
-- beat.lua: a list consumer's heartbeat, by Redis' clock. PROTOCOL section 11.
--
-- KEYS[1] fs:{S}:consumers
-- ARGV[1] nonce  [2] consumer
-- Returns {nonce, verdict, now_ms}: ok; not_primary. Cost: O(log consumers).
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if not string.find(redis.call('INFO', 'replication'), 'role:master', 1, true) then
  return {ARGV[1], 'not_primary', now}
end
redis.call('ZADD', KEYS[1], string.format('%d', now), ARGV[2])
return {ARGV[1], 'ok', now}
