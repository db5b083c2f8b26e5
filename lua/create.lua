#!lua
-- create.lua: makes a sale, once. PROTOCOL section 5, "Ties between the two".
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal (list mode: fs:{S}:orders)
-- KEYS[4] fs:{S}:holds  KEYS[5] fs:{S}:ops
-- ARGV[1] epoch (list mode: "0" lets TIME in ms decide)  [2] uuid  [3] not_after_ms  [4] nonce
-- ARGV[5] state  [6] opens_ms  [7] closes_ms  [8] hold_ms  [9] probe_ms  [10] replicas  [11] buyer_orders_max
-- ARGV[12] queue  [13] sink id (list mode: "")  then per item: id, units, limit
-- Returns {nonce, verdict, now_ms, epoch, link}: ok; same (this very create, done before: its epoch and link follow);
--   exists (another sale has the id); late; not_primary.
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
local text = string.format('%d', now)
if not string.find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return {A[4], 'late', now} end
local info = call('INFO', 'replication')
local hist = string.match(info, '\nmaster_replid:(%x+)\r')
if not hist or not string.find(info, 'role:master', 1, true) then return {A[4], 'not_primary', now} end
if call('EXISTS', unpack(KEYS)) > 0 then
  local m = call('HMGET', KEYS[1], 'layout', 'uuid', 'epoch', 'link')
  if m[1] == '2' and m[2] == A[2] then return {A[4], 'same', now, m[3], m[4]} end
  return {A[4], 'exists', now}
end

local epoch = A[1] == '0' and text or A[1]
local k = (#A - 13) / 3
local sound = k >= 1 and k <= 64 and k % 1 == 0
local function number(i) sound = sound and #A[i] <= 20 and string.find(A[i], '^%d+$') end
number(1)
for i = 6, 11 do number(i) end
for j = 1, sound and k or 0 do
  number(12 + 3 * j)
  number(13 + 3 * j)
end
if not sound then return redis.error_reply('FLASHSALE ARGV') end
if A[12] == 'journal' then
  local x = redis.pcall('XADD', KEYS[3], epoch .. '-0', 'h', '1 create ' .. A[4] .. ' - ' .. text .. ' 0', 'a',
    table.concat(A, ' ', 5))
  if type(x) ~= 'string' then return denied(x) or {A[4], 'exists', now} end
end
local u = {'layout', '2', 'state', A[5], 'opens_ms', A[6], 'closes_ms', A[7], 'reopen_ms', '0', 'hold_ms', A[8],
  'probe_ms', A[9], 'replicas', A[10], 'buyer_orders_max', A[11], 'queue', A[12], 'sink', A[13], 'uuid', A[2],
  'epoch', epoch, 'hist', hist, 'rec', '', 'seq', '0', 'link', A[4], 'watermark', epoch .. '-0', 'last_ms', text,
  'held', '0', 'items', string.format('%d', k)}
for j = 1, k do
  local f, v = #u, 13 + 3 * (j - 1)
  u[f+1], u[f+2], u[f+3], u[f+4], u[f+5], u[f+6] = 'item:' .. j, A[v+1], 'total:' .. j, A[v+2], 'limit:' .. j, A[v+3]
  u[f+7], u[f+8], u[f+9], u[f+10], u[f+11], u[f+12] = 'booked:' .. j, '0', 'sold_seq:' .. j, '0', 'reopen_ms:' .. j, '0'
end
call('HSET', KEYS[1], unpack(u))
call('HSET', KEYS[2], '#', epoch)
if A[12] == 'journal' then  -- so that these two are missed as well where they are evicted or deleted
  call('ZADD', KEYS[4], 'inf', '#')
  call('HSET', KEYS[5], '#', '')
end
return {A[4], 'ok', now, epoch, A[4]}
