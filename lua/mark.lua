#!lua
-- mark.lua: tells how far the primary's writes go behind a batch, and writes a little for the WAIT that follows.
--
-- A WAIT's number alone proves nothing. Since Redis 7.2, and in Valkey, it waits for the last write of its own
-- connection: behind a batch that wrote nothing, since it found what was written before, it passes at once, whatever
-- the replicas lack; and through a proxy it may be sent on another connection than the batch. So at level `replicas` a
-- batch is followed by this, by a WAIT, which makes the replicas acknowledge soon, and by read.lua, whose INFO names
-- what each has acknowledged: those count that have all that was written before the mark. What the batch saw is among
-- that, if the sale is at least where the batch left it. Where the mark is refused (OOM, NOREPLICAS, MISCONF) nothing
-- is known.
--
-- KEYS[1] fs:{S}:meta
-- ARGV[1] nonce  [2] epoch  [3] uuid of the sale
-- Returns {nonce, verdict}: ok, followed by the text of INFO replication as it was before the mark, and by the sale's
--   seq; stale (another epoch or sale, or none); not_primary.
-- The field `mark` of meta means nothing to anybody; it is no entry of the journal.
-- Cost: O(1).
local A, call = ARGV, redis.call
local info = call('INFO', 'replication')
if not string.find(info, 'role:master', 1, true) then return {A[1], 'not_primary'} end
local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'uuid', 'seq')
if m[1] ~= '2' or m[2] ~= A[2] or m[3] ~= A[3] then return {A[1], 'stale'} end
call('HSET', KEYS[1], 'mark', A[1])
return {A[1], 'ok', info, m[4]}
