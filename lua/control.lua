#!lua
-- control.lua: open, pause, resume, schedule, drain and close: one act on a sale as a whole. PROTOCOL section 4.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal (list mode: not used)
-- ARGV[1] epoch  [2] uuid  [3] not_after_ms  [4] nonce  [5] the act  [6] opens_ms  [7] closes_ms
--   ("" leaves that time as it is, closes_ms 0 is never; both are for schedule, and opens_ms opens a created sale)
-- Returns {nonce, verdict, now_ms, epoch, seq, effective_ms}: ok; same (it is so already; seq is the sale's);
--   state (not from this state, whose name comes fourth); late, stale, fenced, absent, layout, not_primary.
-- What lets units be sold again is in force at effective_ms, probe_ms later (PROTOCOL section 9).
--
--   created --open--> open <--resume-- paused       close: from every state, for good
--                      |  ---pause--->   |
--                      +----> draining <-+          draining --resume--> open, --pause--> paused
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
local info = call('INFO', 'replication')
if not find(info, 'role:master', 1, true) then return refuse('not_primary') end
local m = call('HMGET', KEYS[1], 'layout', 'state', 'opens_ms', 'closes_ms', 'reopen_ms', 'epoch', 'hist', 'rec',
  'seq', 'link', 'last_ms', 'queue', 'uuid', 'probe_ms')
local guard = call('HGET', KEYS[2], '#')
if not m[1] and not guard then return refuse('absent') end
if m[1] ~= '2' then return refuse(m[1] and 'layout' or 'fenced') end
if guard ~= m[6] or m[8] ~= '' then return refuse('fenced') end
if not find(info, '\nmaster_replid:' .. m[7] .. '\r', 1, true) then return refuse('fenced') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now < tonumber(m[11]) then now = tonumber(m[11]) end
if m[6] ~= A[1] or m[13] ~= A[2] then return refuse('stale', now) end
if not find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end

local from = {
  open = {created = 1, open = 1}, pause = {open = 1, draining = 1}, resume = {paused = 1, draining = 1},
  schedule = {created = 1, open = 1, paused = 1}, drain = {open = 1, paused = 1},
  close = {created = 1, open = 1, paused = 1, draining = 1}}
local to = {open = 'open', pause = 'paused', resume = 'open', drain = 'draining', close = 'closed'}
local act, state, opens, closes, reopen = A[5], m[2], tonumber(m[3]), tonumber(m[4]), tonumber(m[5])
local function is_time(text) return text == '' or (#text <= 15 and find(text, '^%d+$')) end
if not from[act] or #A ~= 7 or not is_time(A[6]) or not is_time(A[7]) then
  return redis.error_reply('FLASHSALE ARGV')
end

local becomes = to[act] or (state == 'created' and A[6] ~= '' and 'open' or state)
local opens_to, closes_to = opens, closes
if act == 'open' and (state == 'created' or opens > now) then opens_to = now end
if act == 'schedule' then
  if A[6] ~= '' then opens_to = tonumber(A[6]) end
  if A[7] ~= '' then closes_to = tonumber(A[7]) end
end
local epoch_seq = function(verdict, seq, effective) return {A[4], verdict, now, m[6], seq, effective} end
if becomes == state and opens_to == opens and closes_to == closes and (from[act][state] or to[act] == state) then
  return epoch_seq('same', m[9], reopen)
end
if not from[act][state] then return {A[4], 'state', now, state} end

-- Sold again, or sooner: not before everybody who refuses locally has looked again.
local function sold_from(s, o, c)
  local from = math.max(o, now)
  return s == 'open' and (c == 0 or from < c) and from or 1 / 0
end
if sold_from(becomes, opens_to, closes_to) < sold_from(state, opens, closes) then reopen = now + tonumber(m[14]) end

local seq = string.format('%d', m[9] + 1)
local o, c, now_text = string.format('%d', opens_to), string.format('%d', closes_to), string.format('%d', now)
if m[12] ~= 'list' then
  local id = m[6] .. '-' .. seq
  local x = redis.pcall('XADD', KEYS[3], 'NOMKSTREAM', id, 'h',
    '1 ' .. act .. ' ' .. A[4] .. ' ' .. m[10] .. ' ' .. now_text .. ' 0', 'a', becomes .. ' ' .. o .. ' ' .. c)
  if x ~= id then return denied(x) or refuse('fenced', now) end
end
call('HSET', KEYS[1], 'state', becomes, 'opens_ms', o, 'closes_ms', c, 'reopen_ms', string.format('%d', reopen),
  'seq', seq, 'link', A[4], 'last_ms', now_text)
return epoch_seq('ok', seq, reopen)
