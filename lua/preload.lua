#!lua
-- preload.lua: keeps what a page says of an item.
--
-- KEYS[1] fs:{S}:info
-- ARGV[1] nonce  [2] item  [3] its facts
-- Returns {nonce, verdict}: ok; not_primary.
-- Cost: O(bytes).
local A, call = ARGV, redis.call
if not string.find(call('INFO', 'replication'), 'role:master', 1, true) then return {A[1], 'not_primary'} end
call('HSET', KEYS[1], A[2], A[3])
return {A[1], 'ok'}
