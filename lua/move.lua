#!lua
-- move.lua: confirms or releases a batch of orders of one sale, in order, and journals what moved. PROTOCOL section 7.
--
--   r reserved --confirm--> c confirmed
--       |  \-----release--> g releasing --credit.lua--> d released
--       \-----expire.lua--> x expiring ---credit.lua--> e expired
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:journal
-- ARGV[1] epoch  [2] uuid of the sale  [3] not_after_ms  [4] nonce  [5] the highest seq that the caller has heard of
-- ARGV[6] confirm or release  [7..] two runs of n: buyers, requests
-- Returns {nonce, verdict, now_ms} as reserve.lua, or {nonce, 'ok', now_ms, seq, letters, then the id of each order
--   found}
--   letters: M moved just now; i invalid; u nothing is reserved; C G D X E K: not moved, for it is in that state
-- Only a reserved order moves, so each resolves at most once; past its deadline it is expired, though nobody has swept
-- it yet. Its units and its share of the buyer's limit stay booked: credit.lua frees them once the database has it. Its
-- place in fs:{S}:holds stays too, for expire.lua to forget.
-- Cost: O(batch). Nothing is written before the one write that can refuse, XADD.
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

local to = ({confirm = 'c', release = 'g'})[A[6]]
local n = (#A - 6) / 2
if not to or n < 1 or n > 512 or n % 1 ~= 0 or not find(A[5], '^%d+$') then
  return redis.error_reply('FLASHSALE ARGV')
end
-- The caller has heard of more than this Redis knows: the sale was put back to an earlier state of the same history,
-- which INFO cannot tell. Nobody may sell on until it is reconciled.
if tonumber(m[5]) < tonumber(A[5]) then
  call('HSET', KEYS[1], 'hist', '-')
  return refuse('fenced', now)
end
local B, R = 6, 6 + n
local function invalid(id) return #id < 1 or #id > 64 or find(id, '[^%w_.:@-]') end

local has = call('HMGET', KEYS[2], unpack(A, B + 1, B + n))
local items, mine = {}, {}
local letters, ids, entry, records, were_held = {}, {}, {}, {}, 0
for i = 1, n do
  local buyer, request = A[B + i], A[R + i]
  local rec = mine[buyer] or has[i]
  local s, e
  if rec then s, e = find(rec, '\n' .. request .. ' ', 1, true) end
  local letter
  if invalid(buyer) or invalid(request) then letter = 'i'
  elseif not s then letter = 'u'
  else
    local item, units, index, at, from, state, till, after =
      match(rec, '^(%d+) (%d+) (%d+) (%S+) ()(%a) ?(%d*)()', e + 1)
    local id = at .. '.' .. index
    ids[#ids + 1] = id
    if state ~= 'r' then letter = string.upper(state)
    elseif till ~= '' and now >= tonumber(till) then letter = 'E'
    else
      letter = 'M'
      rec = sub(rec, 1, from - 1) .. to .. sub(rec, after)
      mine[buyer] = rec
      items[item] = items[item] or call('HGET', KEYS[1], 'item:' .. item)
      local x = #entry
      entry[x + 1], entry[x + 2] = buyer, ' ' .. id .. ' ' .. items[item] .. ' ' .. units .. ' ' .. request .. '\n'
      records[x + 1], records[x + 2] = buyer, rec
      if till ~= '' then were_held = were_held + 1 end
    end
  end
  letters[i] = letter
end

local seq = m[5]
if #entry > 0 then
  seq = string.format('%d', m[5] + 1)
  local id, now_text = A[1] .. '-' .. seq, string.format('%d', now)
  local x = redis.pcall('XADD', KEYS[3], 'NOMKSTREAM', id, 'h',
    '1 ' .. A[6] .. ' ' .. A[4] .. ' ' .. m[6] .. ' ' .. now_text .. ' 0', 'o', table.concat(entry))
  if x ~= id then return denied(x) or refuse('fenced', now) end
  call('HSET', KEYS[1], 'seq', seq, 'link', A[4], 'last_ms', now_text, 'held',
    string.format('%d', (m[9] or 0) - were_held))
  call('HSET', KEYS[2], unpack(records))
end
return {A[4], 'ok', now, seq, table.concat(letters), unpack(ids)}
