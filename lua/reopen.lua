#!lua
-- reopen.lua: reconcile's last step in Redis, in one piece: a new epoch on the history of step 1. PROTOCOL section 10.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal
-- ARGV[1] nonce  [2] meta.rec as close_gate.lua set it  [3] replication id of step 1  [4] the new epoch
-- ARGV[5] number of the last chunk of rebuild.lua  [6] not_after_ms
-- ARGV[7..] pairs: the fields of meta that the database knows (terms, state, per item item:I total:I booked:I limit:I)
-- Returns {nonce, verdict, now_ms, link}: ok (link is the marker's nonce); same (this very call, done before, whose
--   reply was lost; link as then); late; claimed (another reconcile has taken over); torn (not every chunk is here, or
--   buyers are gone again); moved (the history changed again); ahead (the journal holds a later epoch: the database
--   went back).
-- Nothing is sold before reopen_ms, so that nobody wins while another process still refuses by what it knew.
-- Cost: O(items).
local A, call = ARGV, redis.call
-- A rule that is missing is told as it is, and is no reason to reconcile; any other refusal is about the id.
local function denied(x)
  local err = type(x) == 'table' and x.err
  local function says(words) return err and string.find(err, words, 1, true) end
  return (says('NOPERM') or says('ACL failure in script') or says('The user executing the script'))
    and redis.error_reply(err .. ' (XADD)')
end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local m = call('HMGET', KEYS[1], 'rec', 'rebuilt', 'epoch', 'last_ms', 'watermark')
if m[1] == '' and m[3] == A[4] then
  local marker = call('XRANGE', KEYS[3], A[4] .. '-0', A[4] .. '-0')
  local link = marker[1] and string.match(marker[1][2][2], '^1 reopen (%S+) ')
  if link then return {A[1], 'same', now, link} end
end
if m[1] ~= A[2] then return {A[1], 'claimed', now} end
-- A copy that stalled on its way must not open a node again that another reconcile has left behind meanwhile.
if not string.find(A[6], '^[1-9]%d*$') or now > tonumber(A[6]) then return {A[1], 'late', now} end
if m[2] ~= A[5] or call('HGET', KEYS[2], '#') ~= A[2] then return {A[1], 'torn', now} end
local info = call('INFO', 'replication')
if not string.find(info, 'role:master', 1, true)
  or not string.find(info, '\nmaster_replid:' .. A[3] .. '\r', 1, true) then return {A[1], 'moved', now} end
-- The clock that reserve.lua will use: it never goes back, though this node's may be behind the last one's.
now = math.max(now, tonumber(m[4] or 0))
local text = string.format('%d', now)

local x = redis.pcall('XADD', KEYS[3], A[4] .. '-0', 'h', '1 reopen ' .. A[1] .. ' - ' .. text .. ' 0', 'a', A[4])
if type(x) ~= 'string' then return denied(x) or {A[1], 'ahead', now} end
local u = {'layout', '2', 'hist', A[3], 'epoch', A[4], 'seq', '0', 'link', A[1], 'rec', '', 'last_ms', text}
local probe_ms, items = 0, 0
for i = 7, #A, 2 do
  u[#u+1], u[#u+2] = A[i], A[i+1]
  if A[i] == 'probe_ms' then probe_ms = tonumber(A[i+1]) end
  if A[i] == 'items' then items = tonumber(A[i+1]) end
end
for j = 1, items do
  local f = #u
  u[f+1], u[f+2], u[f+3], u[f+4] = 'sold_seq:' .. j, '0', 'reopen_ms:' .. j, '0'
end
local f = #u
u[f+1], u[f+2] = 'reopen_ms', string.format('%d', now + probe_ms)
if not m[5] then u[f+3], u[f+4] = 'watermark', '0-0' end
call('HSET', KEYS[1], unpack(u))
call('HDEL', KEYS[1], 'rebuilt')
call('HSET', KEYS[2], '#', A[4])
return {A[1], 'ok', now, A[1]}
