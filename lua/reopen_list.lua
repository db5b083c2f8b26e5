#!lua
-- reopen_list.lua: for the operator alone: a sale in list mode goes on with what this Redis has, under a new epoch.
-- PROTOCOL section 10. There is no database to compare with: what another Redis knew is lost.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers
-- ARGV[1] nonce  [2] not_after_ms
-- Returns {nonce, verdict, now_ms, epoch}: ok; absent; layout; journal (a sale with a database: reconcile it);
--   not_primary; late.
-- The epoch is max(TIME in ms, the old one + 1), so it passes every epoch that any copy of this sale ever had.
-- Cost: O(items).
local A, call = ARGV, redis.call
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if not string.find(A[2], '^[1-9]%d*$') or now > tonumber(A[2]) then return {A[1], 'late', now} end
local info = call('INFO', 'replication')
local hist = string.match(info, '\nmaster_replid:(%x+)\r')
if not hist or not string.find(info, 'role:master', 1, true) then return {A[1], 'not_primary', now} end
local m = call('HMGET', KEYS[1], 'layout', 'queue', 'epoch', 'last_ms', 'probe_ms', 'items')
if not m[1] then return {A[1], 'absent', now} end
if m[1] ~= '2' then return {A[1], 'layout', now} end
if m[2] ~= 'list' then return {A[1], 'journal', now} end

local epoch = string.format('%d', math.max(now, tonumber(m[3]) + 1))
now = math.max(now, tonumber(m[4]))
local u = {'hist', hist, 'epoch', epoch, 'seq', '0', 'link', A[1], 'rec', '', 'watermark', epoch .. '-0',
  'last_ms', string.format('%d', now), 'reopen_ms', string.format('%d', now + tonumber(m[5]))}
for j = 1, tonumber(m[6]) do
  local f = #u
  u[f+1], u[f+2], u[f+3], u[f+4] = 'sold_seq:' .. j, '0', 'reopen_ms:' .. j, '0'
end
call('HSET', KEYS[1], unpack(u))
call('HSET', KEYS[2], '#', epoch)
return {A[1], 'ok', now, epoch}
