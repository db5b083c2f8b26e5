#!lua
-- expire.lua: sweeps holds whose deadline has passed, oldest first, about 500 a call, and journals them. PROTOCOL
-- section 7.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal  KEYS[4] fs:{S}:holds
-- ARGV[1] epoch  [2] uuid  [3] not_after_ms  [4] nonce
-- Returns {nonce, verdict, now_ms, orders expired, buyers looked at, next deadline in ms or 0}: ok; late, stale,
--   fenced, absent, layout, not_primary. The next deadline is past: call again.
-- A member of holds is "<epoch>-<seq> <buyer>...": whose orders of that entry to look at, by its score. Every order
-- that is held is named in one whose score is no later than the order's own deadline, which its record has. One that is
-- not due by then, for it was set aside and retried, is named anew; what is not reserved any more is only forgotten.
-- Units and limit stay booked: credit.lua frees them once the database has it. Nothing is written before the one write
-- that can refuse, XADD.
-- Cost: O(512 log holds), about 2 ms of Redis at most.
local A, call, find, match, sub = ARGV, redis.call, string.find, string.match, string.sub
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
local m = call('HMGET', KEYS[1], 'layout', 'epoch', 'hist', 'rec', 'seq', 'link', 'last_ms', 'uuid', 'held')
local guard = call('HGET', KEYS[2], '#')
if not m[1] and not guard then return refuse('absent') end
if m[1] ~= '2' then return refuse(m[1] and 'layout' or 'fenced') end
if guard ~= m[2] or m[4] ~= '' then return refuse('fenced') end
if not find(info, '\nmaster_replid:' .. m[3] .. '\r', 1, true) then return refuse('fenced') end
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now < tonumber(m[7]) then now = tonumber(m[7]) end
if m[2] ~= A[1] or m[8] ~= A[2] then return refuse('stale', now) end
if not find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end

local now_text = string.format('%d', now)

-- What is due, as long as it names no more than 512 buyers; a single entry of reserve.lua names no more.
local due, buyers, entries, full = {}, {}, {}, false
while not full do
  local page = call('ZRANGE', KEYS[4], '-inf', now_text, 'BYSCORE', 'LIMIT', string.format('%d', #due), '16')
  full = #page < 16
  for i = 1, #page do
    local at, names = match(page[i], '^(%S*)(.*)$')
    local _, count = string.gsub(names, ' ', ' ')
    if #buyers > 0 and #buyers + count > 512 then
      full = true
      break
    end
    for buyer in string.gmatch(names, '%S+') do buyers[#buyers + 1], entries[#buyers + 1] = buyer, at end
    due[#due + 1] = page[i]
  end
end

local has = #buyers > 0 and call('HMGET', KEYS[2], unpack(buyers)) or {}
local items, mine, entry, records, later = {}, {}, {}, {}, {}
for i = 1, #buyers do
  local buyer, key = buyers[i], ' ' .. entries[i] .. ' r '
  local rec, from = mine[buyer] or has[i], 1
  while rec do
    -- An order's line: `<request> <item> <quantity> <index> <epoch>-<seq> r <hold until>`.
    local s, e = find(rec, key, from, true)
    if not s then break end
    local till, after = match(rec, '^(%d+)()', e + 1)
    if now < tonumber(till) then later[#later + 1], later[#later + 2], from = till, entries[i] .. ' ' .. buyer, e
    else
      local request, item, units, index = match(sub(rec, 1, s - 1), '\n([^\n ]+) (%d+) (%d+) (%d+)$')
      rec = sub(rec, 1, e - 2) .. 'x' .. sub(rec, after)
      mine[buyer] = rec
      items[item] = items[item] or call('HGET', KEYS[1], 'item:' .. item)
      local x, id = #entry, entries[i] .. '.' .. index
      entry[x + 1], entry[x + 2] = buyer, ' ' .. id .. ' ' .. items[item] .. ' ' .. units .. ' ' .. request .. '\n'
      records[x + 1], records[x + 2] = buyer, rec
    end
  end
end

if #entry > 0 then
  local seq = string.format('%d', m[5] + 1)
  local id = A[1] .. '-' .. seq
  local x = redis.pcall('XADD', KEYS[3], 'NOMKSTREAM', id, 'h',
    '1 expire ' .. A[4] .. ' ' .. m[6] .. ' ' .. now_text .. ' 0', 'o', table.concat(entry))
  if x ~= id then return denied(x) or refuse('fenced', now) end
  call('HSET', KEYS[1], 'seq', seq, 'link', A[4], 'last_ms', now_text, 'held',
    string.format('%d', (m[9] or 0) - #entry / 2))
  call('HSET', KEYS[2], unpack(records))
end
if #due > 0 then call('ZREM', KEYS[4], unpack(due)) end
if #later > 0 then call('ZADD', KEYS[4], 'LT', unpack(later)) end
local next_due = call('ZRANGE', KEYS[4], '0', '0', 'WITHSCORES')
local next_ms = next_due[1] ~= '#' and tonumber(next_due[2]) or 0
return {A[4], 'ok', now, #entry / 2, #buyers, next_ms}
