-- read.lua: reads what belongs to one sale, in one moment, where decisions are made.
--
-- Everything that anything is concluded from is read by this script and by no plain command. An endpoint that splits
-- reads from writes sends a plain HMGET or XRANGE to a replica, which answers with the past: orders seemed lost, and a
-- sale that was sound was reconciled. A script goes to the primary, and this one says so where it is none.
--
-- KEYS    every key that the commands read
-- ARGV[1] nonce
-- ARGV[2..] the commands, each as the number of its words and then the words; none at all asks for the time
-- Returns {nonce, 'ok', now_ms, text of INFO replication, then the reply to each command}; or {nonce, 'not_primary'},
--   so that whoever asks looks for the primary anew.
-- It has no `#!lua` line on purpose: with one Redis refuses it as a whole while it refuses writes (OOM, NOREPLICAS,
-- MISCONF), and that is when somebody has to look; and flags=no-writes would let a proxy send it to a replica.
-- Cost: that of the commands, and about twice as much for what they return, since Lua copies it.
local A, call = ARGV, redis.call
local info = call('INFO', 'replication')
if not string.find(info, 'role:master', 1, true) then return {A[1], 'not_primary'} end
local t = call('TIME')
local reply = {A[1], 'ok', t[1] * 1000 + math.floor(t[2] / 1000), info}
local i = 2
while i <= #A do
  local words = tonumber(A[i])
  reply[#reply + 1] = call(unpack(A, i + 1, i + words))
  i = i + words + 1
end
return reply
