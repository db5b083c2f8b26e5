#!lua
-- close_gate.lua: reconcile's first step in Redis: from here on every batch on this node is fenced.
-- PROTOCOL section 10.
--
-- KEYS[1] fs:{S}:meta
-- ARGV[1] nonce  [2] fence_epoch  [3] uuid of this reconcile  [4] replication id that the reconcile found
-- Returns {nonce, verdict, now_ms, epoch, watermark}: ok (epoch and watermark as meta had them; "" where it had none);
--   claimed (a reconcile with a higher fence_epoch is here); ahead (the sale is at that epoch or a later one already:
--   this call comes after its reconcile was over, or the database went back; epoch and watermark follow);
--   moved (not that history any more, or no primary); layout.
-- Nothing is written but for ok. Called twice it is ok twice, and what was rebuilt in between stays.
-- Cost: O(1).
local A, call = ARGV, redis.call
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local info = call('INFO', 'replication')
if not string.find(info, 'role:master', 1, true)
  or not string.find(info, '\nmaster_replid:' .. A[4] .. '\r', 1, true) then return {A[1], 'moved', now} end
local m = call('HMGET', KEYS[1], 'layout', 'rec', 'epoch', 'watermark', 'last_ms')
if m[1] and m[1] ~= '2' then return {A[1], 'layout', now} end
now = math.max(now, tonumber(m[5] or 0))
local fence, mine = tonumber(A[2]), A[2] .. ' ' .. A[3]
local theirs = m[2] and string.match(m[2], '^(%d+) ')
if theirs and tonumber(theirs) > fence then return {A[1], 'claimed', now} end
if m[3] and tonumber(m[3]) >= fence then return {A[1], 'ahead', now, m[3], m[4] or ''} end
if m[2] ~= mine then call('HSET', KEYS[1], 'layout', '2', 'rec', mine, 'hist', '-', 'rebuilt', '-') end
return {A[1], 'ok', now, m[3] or '', m[4] or ''}
