#!lua
-- settle.lua: tells Redis what the database has: first the dead orders, last the watermark; then trims the journal.
-- The only script that raises meta.watermark, and the only one that trims. PROTOCOL section 5.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal
-- ARGV[1] epoch  [2] uuid  [3] not_after_ms  [4] nonce
-- ARGV[5] watermark's epoch  [6] watermark's seq (both "": more dead orders follow in another call)
-- ARGV[7..] per dead order (at most 300): buyer, request, "<index> <epoch>-<seq>"
-- Returns {nonce, verdict, now_ms, epoch, seq}: ok; behind (meta's watermark is ahead: somebody was faster, or the
--   database went back); lost (the sale is not there yet: Redis went back); late, stale, fenced, absent, layout.
-- Only for ok is anything written.
-- Cost: O(dead + entries trimmed).
local A, call, find = ARGV, redis.call, string.find
local function refuse(verdict, now) return {A[4], verdict, now or 0} end
if (#A - 6) % 3 ~= 0 or #A > 906 then return redis.error_reply('FLASHSALE ARGV') end
local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'hist', 'rec', 'seq', 'last_ms', 'uuid', 'watermark')
local guard = call('HGET', KEYS[2], '#')
if not m[1] and not guard then return refuse('absent') end
if m[1] ~= '1' then return refuse(m[1] and 'layout' or 'fenced') end
if guard ~= m[2] or m[4] ~= '' then return refuse('fenced') end
if not find(call('INFO', 'replication'), '\nmaster_replid:' .. m[3] .. '\r', 1, true) then return refuse('fenced') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now < tonumber(m[6]) then now = tonumber(m[6]) end
if m[2] ~= A[1] or m[7] ~= A[2] then return refuse('stale', now) end
if not find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end

local e, s = string.match(m[8], '^(%d+)-(%d+)$')
e, s = tonumber(e), tonumber(s)
local ours_e, ours_s = tonumber(A[5]), tonumber(A[6])
if ours_e then
  local at_e, at_s = tonumber(m[2]), tonumber(m[5])
  if ours_e < e or (ours_e == e and ours_s < s) then return refuse('behind', now) end
  if ours_e > at_e or (ours_e == at_e and ours_s > at_s) then return refuse('lost', now) end
end
for i = 7, #A, 3 do
  local rec = call('HGET', KEYS[2], A[i])
  local p, pe
  if rec then p, pe = find(rec, '\n' .. A[i+1] .. ' ', 1, true) end
  if p then
    -- The line up to its state: only this very order is marked, not a later one of the same request.
    local stem, rest = string.match(rec, '^(%d+ %d+ ' .. string.gsub(A[i+2], '%-', '%%-') .. ' )%a([^\n]*)', pe + 1)
    if stem then
      local line_end = pe + #stem + 1 + #rest
      call('HSET', KEYS[2], A[i], string.sub(rec, 1, pe) .. stem .. 'k' .. rest .. string.sub(rec, line_end + 1))
    end
  end
end
if ours_e and (ours_e > e or ours_s > s) then
  local id = A[5] .. '-' .. A[6]
  call('HSET', KEYS[1], 'watermark', id)
  call('XTRIM', KEYS[3], 'MINID', id)
end
return {A[4], 'ok', now, m[2], m[5]}
