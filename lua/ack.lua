#!lua
-- ack.lua: forgets an element of the list that a consumer took and has done with.
--
-- KEYS[1] fs:{S}:orders:taken:<consumer>
-- ARGV[1] nonce  [2] the element
-- Returns {nonce, verdict, how many}: ok; not_primary. The newest is at the left, and the one acknowledged is mostly
--   the oldest, so it is looked for from the right.
-- Cost: O(what the consumer has taken).
local A, call = ARGV, redis.call
if not string.find(call('INFO', 'replication'), 'role:master', 1, true) then return {A[1], 'not_primary', 0} end
return {A[1], 'ok', call('LREM', KEYS[1], '-1', A[2])}
