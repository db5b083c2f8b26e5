#!lua
-- mark.lua: writes a little, for the WAIT behind it. PROTOCOL section 6.
--
-- Since Redis 7.2, and in Valkey, a WAIT waits for the last write of its own connection, no longer for its last
-- command. Behind a batch that wrote nothing, since it found what it or another had written before, it passes at once,
-- whatever the replicas lack. So at level `replicas` this goes between the two: a replica that has the mark has all
-- that the batch can have seen. Where it is refused (OOM, NOREPLICAS, MISCONF, READONLY) nothing is known of them.
--
-- KEYS[1] fs:{S}:meta
-- ARGV[1] nonce  [2] epoch  [3] uuid of the sale
-- Returns {nonce, verdict}: ok; stale (another epoch or sale, or none); not_primary.
-- The field `mark` of meta means nothing to anybody; it is no entry of the journal.
-- Cost: O(1).
local A, call = ARGV, redis.call
if not string.find(call('INFO', 'replication'), 'role:master', 1, true) then return {A[1], 'not_primary'} end
local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'uuid')
if m[1] ~= '1' or m[2] ~= A[2] or m[3] ~= A[3] then return {A[1], 'stale'} end
call('HSET', KEYS[1], 'mark', A[1])
return {A[1], 'ok'}
