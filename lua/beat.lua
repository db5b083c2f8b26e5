#!lua
-- beat.lua: a list consumer's heartbeat, by Redis' clock. PROTOCOL section 11.
--
-- KEYS[1] fs:{S}:consumers
-- ARGV[1] nonce  [2] consumer
-- Returns {nonce, 'ok', now_ms}. Cost: O(log consumers).
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], string.format('%d', now), ARGV[2])
return {ARGV[1], 'ok', now}
