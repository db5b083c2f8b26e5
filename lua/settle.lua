#!lua flags=allow-oom
-- settle.lua: tells Redis what the database has: first the orders that were set aside, last the watermark; then trims
-- the journal.
-- The only script that raises meta.watermark, and the only one that trims. PROTOCOL section 5.
--
--   r c g x --set aside--> k dead --retried--> r reserved
--                               \---dropped--> d released, its units for sale again
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal
-- KEYS[4] fs:{S}:holds (only in a sale with holds)
-- ARGV[1] epoch  [2] uuid  [3] not_after_ms  [4] nonce
-- ARGV[5] watermark's epoch  [6] watermark's seq (both "": more dead orders follow in another call)
-- ARGV[7..] per order set aside (at most 300): buyer, request, "<index> <epoch>-<seq>", its state from now on (k, r or
--   d), and until when it is held (0: for ever)
-- Returns {nonce, verdict, now_ms, epoch, seq}: ok; behind (meta's watermark is ahead: somebody was faster, or the
--   database went back); lost (the sale is not there yet: Redis went back); late, stale, fenced, absent, layout,
--   not_primary.
-- Only for ok is anything written. It runs when memory is full as well (allow-oom), since it is what frees some.
-- Cost: O(dead + entries trimmed).
local A, call, find, match = ARGV, redis.call, string.find, string.match
local function refuse(verdict, now) return {A[4], verdict, now or 0} end
if (#A - 6) % 5 ~= 0 or #A > 1506 then return redis.error_reply('FLASHSALE ARGV') end
local info = call('INFO', 'replication')
if not find(info, 'role:master', 1, true) then return refuse('not_primary') end
local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'hist', 'rec', 'seq', 'last_ms', 'uuid', 'watermark', 'probe_ms',
  'held')
local guard = call('HGET', KEYS[2], '#')
if not m[1] and not guard then return refuse('absent') end
if m[1] ~= '2' then return refuse(m[1] and 'layout' or 'fenced') end
if guard ~= m[2] or m[4] ~= '' then return refuse('fenced') end
if not find(info, '\nmaster_replid:' .. m[3] .. '\r', 1, true) then return refuse('fenced') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now < tonumber(m[6]) then now = tonumber(m[6]) end
if m[2] ~= A[1] or m[7] ~= A[2] then return refuse('stale', now) end
if not find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end

local e, s = match(m[8], '^(%d+)-(%d+)$')
e, s = tonumber(e), tonumber(s)
local ours_e, ours_s = tonumber(A[5]), tonumber(A[6])
if ours_e then
  local at_e, at_s = tonumber(m[2]), tonumber(m[5])
  if ours_e < e or (ours_e == e and ours_s < s) then return refuse('behind', now) end
  if ours_e > at_e or (ours_e == at_e and ours_s > at_s) then return refuse('lost', now) end
end

-- Frees an order's units: off the buyer's record, off the item. What could not be sold before is sold after probe_ms.
local function give_back(rec, item, units)
  local head, lines = match(rec, '^([^\n]*)(.*)$')
  head = string.gsub(head, ' ' .. item .. '=(%d+)', function(held)
    return held - units > 0 and ' ' .. item .. string.format('=%d', held - units) or ''
  end)
  local i = call('HMGET', KEYS[1], 'total:' .. item, 'booked:' .. item, 'reopen_ms:' .. item)
  local total, booked, reopen = tonumber(i[1]), tonumber(i[2]), tonumber(i[3])
  if total <= booked and total > booked - units and now >= reopen then reopen = now + tonumber(m[9]) end
  call('HSET', KEYS[1], 'booked:' .. item, string.format('%d', booked - units), 'reopen_ms:' .. item,
    string.format('%d', reopen))
  return head .. lines
end

-- Only from these states: what comes late, or twice, changes nothing.
local from = {k = '[rcgx]', r = 'k', d = 'k'}
local held = tonumber(m[10] or 0)
for i = 7, #A, 5 do
  local buyer, rec = A[i], call('HGET', KEYS[2], A[i])
  local p, pe
  if rec then p, pe = find(rec, '\n' .. A[i+1] .. ' ', 1, true) end
  if p then
    -- The line up to its state: only this very order is marked, not a later one of the same request.
    local item, units, index, at, s, state, till, after =
      match(rec, '^(%d+) (%d+) (%d+) (%S+) ()(%a) ?(%d*)()', pe + 1)
    local to = A[i+3]
    if item and index .. ' ' .. at == A[i+2] and find(state, from[to]) then
      local anew = to == 'r' and A[i+4] ~= '0'
      rec = string.sub(rec, 1, s - 1) .. to .. (anew and ' ' .. A[i+4] or '') .. string.sub(rec, after)
      if to == 'd' then rec = give_back(rec, item, tonumber(units)) end
      call('HSET', KEYS[2], buyer, rec)
      if anew then
        held = held + 1
        call('ZADD', KEYS[4], 'LT', A[i+4], at .. ' ' .. buyer)
      elseif state == 'r' and till ~= '' then held = held - 1 end
    end
  end
end
if #A > 6 then call('HSET', KEYS[1], 'held', string.format('%d', held)) end
if ours_e and (ours_e > e or ours_s > s) then
  local id = A[5] .. '-' .. A[6]
  call('HSET', KEYS[1], 'watermark', id)
  call('XTRIM', KEYS[3], 'MINID', id)
end
return {A[4], 'ok', now, m[2], m[5]}
