#!lua
-- publish.lua: publishes the winners' filter of a sale, unless one that covers more is there. PROTOCOL section 9.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:winners
-- ARGV[1] nonce  [2] uuid of the sale  [3] epoch  [4] seq: every winner up to there is in it  [5] the filter, which
--   begins with "1 <epoch> <seq> " (src/core/winners_filter.hpp)
-- Returns {nonce, verdict}: ok; behind (another worker was faster); stale (another epoch or sale, or none any more, or
--   its buyers are being rebuilt or were lost: a scan of them may have missed some); not_primary.
-- It needs no not_after: a late one says nothing that is not true, and the sale's next epoch discards it.
-- Cost: O(bytes).
local A, call = ARGV, redis.call
if not string.find(call('INFO', 'replication'), 'role:master', 1, true) then return {A[1], 'not_primary'} end
local m = call('HMGET', KEYS[1], 'layout', 'uuid', 'epoch', 'rec')
if m[1] ~= '2' or m[2] ~= A[2] or m[3] ~= A[3] or m[4] ~= '' or call('HGET', KEYS[2], '#') ~= A[3] then
  return {A[1], 'stale'}
end
local epoch, seq = string.match(call('GETRANGE', KEYS[3], 0, 63), '^1 (%d+) (%d+) ')
if epoch == A[3] and tonumber(seq) > tonumber(A[4]) then return {A[1], 'behind'} end
call('SET', KEYS[3], A[5])
return {A[1], 'ok'}
