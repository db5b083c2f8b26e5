#!lua
-- restock.lua: changes an item's total, once for each operation id.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal (list mode: not used)  KEYS[4] fs:{S}:ops
-- ARGV[1] epoch  [2] uuid  [3] not_after_ms  [4] nonce  [5] item's index from 1  [6] units, may be negative
-- ARGV[7] operation
-- Returns {nonce, verdict, now_ms, epoch, seq, effective_ms}: ok; same (done before); conflict (the operation was
--   used with other arguments); full (1,000 operations); booked (less than that is unsold, or the total would pass
--   2^31-1); stale (another epoch or sale, or it has no such item); late, fenced, absent, layout, not_primary.
-- Units of an item of which nothing could be sold are sold from effective_ms on (PROTOCOL section 9).
-- Cost: O(1).
local A, call, find = ARGV, redis.call, string.find
local function refuse(verdict, now) return {A[4], verdict, now or 0} end
-- A rule that is missing is told as it is, and is no reason to reconcile; any other refusal is about the id.
local function denied(x)
  local err = type(x) == 'table' and x.err
  local function says(words) return err and find(err, words, 1, true) end
  return (says('NOPERM') or says('ACL failure in script') or says('The user executing the script'))
    and redis.error_reply(err .. ' (XADD)')
end
local j = A[5]
if #A ~= 7 or not find(j, '^[1-9]%d?$') or not find(A[6], '^%-?[1-9]%d*$') or #A[6] > 11
  or #A[7] > 64 or not find(A[7], '^[%w_.:@-]+$') then
  return redis.error_reply('FLASHSALE ARGV')
end
local info = call('INFO', 'replication')
if not find(info, 'role:master', 1, true) then return refuse('not_primary') end
local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'hist', 'rec', 'seq', 'link', 'last_ms', 'queue', 'uuid',
  'probe_ms', 'item:' .. j, 'total:' .. j, 'booked:' .. j, 'reopen_ms:' .. j)
local guard = call('HGET', KEYS[2], '#')
if not m[1] and not guard then return refuse('absent') end
if m[1] ~= '2' then return refuse(m[1] and 'layout' or 'fenced') end
if guard ~= m[2] or m[4] ~= '' then return refuse('fenced') end
if not find(info, '\nmaster_replid:' .. m[3] .. '\r', 1, true) then return refuse('fenced') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now < tonumber(m[7]) then now = tonumber(m[7]) end
if m[2] ~= A[1] or m[9] ~= A[2] or not m[11] then return refuse('stale', now) end
if not find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end

local mine = j .. ' ' .. A[6]
local done = call('HGET', KEYS[4], A[7])
if done then
  if done ~= mine then return refuse('conflict', now) end
  return {A[4], 'same', now, m[2], m[5], tonumber(m[14])}
end
local has_guard = call('HGET', KEYS[4], '#')
if not has_guard and m[8] ~= 'list' then return refuse('fenced') end  -- what was done before is not known any more
if call('HLEN', KEYS[4]) >= (has_guard and 1001 or 1000) then return refuse('full', now) end
local total, booked, reopen = tonumber(m[12]), tonumber(m[13]), tonumber(m[14])
local becomes = total + tonumber(A[6])
if (becomes < booked and becomes < total) or becomes > 2147483647 then return refuse('booked', now) end
if becomes > booked and total <= booked and now >= reopen then reopen = now + tonumber(m[10]) end

local seq, now_text = string.format('%d', m[5] + 1), string.format('%d', now)
if m[8] ~= 'list' then
  local id = m[2] .. '-' .. seq
  local x = redis.pcall('XADD', KEYS[3], 'NOMKSTREAM', id, 'h',
    '1 restock ' .. A[4] .. ' ' .. m[6] .. ' ' .. now_text .. ' 0', 'a', A[7] .. ' ' .. m[11] .. ' ' .. A[6])
  if x ~= id then return denied(x) or refuse('fenced', now) end
end
call('HSET', KEYS[1], 'total:' .. j, string.format('%d', becomes), 'reopen_ms:' .. j, string.format('%d', reopen),
  'seq', seq, 'link', A[4], 'last_ms', now_text)
call('HSET', KEYS[4], A[7], mine)
return {A[4], 'ok', now, m[2], seq, reopen}
