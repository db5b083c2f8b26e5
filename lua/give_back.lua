#!lua
-- give_back.lua: gives what a consumer took and did not acknowledge back to the list, oldest to be taken first.
--
-- KEYS[1] fs:{S}:consumers  KEYS[2] fs:{S}:orders  KEYS[3] fs:{S}:orders:taken:<consumer>
-- ARGV[1] nonce  [2] consumer  [3] silence_ms: only if its last heartbeat is at least as old; 0: whatever that is
-- Returns {nonce, verdict, count, left}: ok (left > 0: call again); alive; not_primary.
-- Removes the consumer once its list is empty; one that may still be waiting in BLMOVE (it beats every second) only
-- after 10 seconds, for an order that came to a consumer nobody knows of would never be returned.
-- Cost: O(500) at most.
local A, call = ARGV, redis.call
if not string.find(call('INFO', 'replication'), 'role:master', 1, true) then return {A[1], 'not_primary', 0, 0} end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if #A[3] > 15 or not string.find(A[3], '^%d+$') then return redis.error_reply('FLASHSALE ARGV') end
local beat, silence = call('ZSCORE', KEYS[1], A[2]), tonumber(A[3])
local silent = beat and now - tonumber(beat) or 1 / 0
if silence > 0 and silent < silence then return {A[1], 'alive', 0, 0} end
local count = 0
while count < 500 and call('LMOVE', KEYS[3], KEYS[2], 'LEFT', 'RIGHT') do count = count + 1 end
local left = call('LLEN', KEYS[3])
if left == 0 and (silence == 0 or silent >= 10000) then call('ZREM', KEYS[1], A[2]) end
return {A[1], 'ok', count, left}
