#!lua flags=no-writes
-- look.lua: what became of a batch of requests, changing nothing. PROTOCOL section 8. It also answers retries and
-- refusals while Redis refuses writes, and runs on replicas.
--
-- KEYS[1] fs:{S}:meta    hash
-- KEYS[2] fs:{S}:buyers  hash
-- ARGV[1] epoch  [2] uuid of the sale  [3] not_after_ms  [4] nonce  [5] the highest seq that the caller has heard of
-- ARGV[6] four bytes a request, as reserve.lua's first four; item 0 with quantity 0 asks about the request alone
-- ARGV[7..] two runs of n: buyers, requests
-- Returns as reserve.lua, with two letters of its own: u nothing is reserved; o would be reserved; and in the place of
-- hold_until_ms 1 on a replica, else 0: a primary that was demoted has the very history of the new one, and lags.
-- Cost: O(batch).
local A, call, find, match, byte = ARGV, redis.call, string.find, string.match, string.byte
local function refuse(verdict, now) return {A[4], verdict, now or 0} end

local m = call('HMGET', KEYS[1], 'layout', 'state', 'opens_ms', 'closes_ms', 'reopen_ms', 'epoch', 'hist', 'rec',
  'seq', 'link', 'last_ms', 'buyer_orders_max', 'uuid', 'queue', 'hold_ms', 'probe_ms', 'items')
local guard = call('HGET', KEYS[2], '#')
if not m[1] and not guard then return refuse('absent') end
if m[1] ~= '2' then return refuse(m[1] and 'layout' or 'fenced') end
if guard ~= m[6] or m[8] ~= '' then return refuse('fenced') end
local info = call('INFO', 'replication')
if not find(info, '\nmaster_replid:' .. m[7] .. '\r', 1, true) then return refuse('fenced') end
if find(info, '\nmaster_link_status:down', 1, true) then return refuse('stale') end  -- a replica that hears nothing
local t = call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
if now < tonumber(m[11]) then now = tonumber(m[11]) end
if m[6] ~= A[1] or m[13] ~= A[2] then return refuse('stale', now) end
if not find(A[3], '^[1-9]%d*$') or now > tonumber(A[3]) then return refuse('late', now) end

local k = tonumber(m[17])
local H, n = A[6], #A[6] / 4
if n < 1 or n > 512 or n % 1 ~= 0 or #A ~= 6 + 2 * n or not find(A[5], '^%d+$') then
  return redis.error_reply('FLASHSALE ARGV')
end
local on_replica = find(info, 'role:slave', 1, true)
if not on_replica and tonumber(m[9]) < tonumber(A[5]) then return refuse('fenced', now) end  -- as reserve.lua

local opens, closes, reopen = tonumber(m[3]), tonumber(m[4]), tonumber(m[5])
local shut, opens_in = nil, 0
local changes_in = closes > now and closes - now or 0
if m[2] == 'closed' or (closes > 0 and now >= closes) then shut, changes_in = 'e', 0
elseif m[2] == 'paused' then shut = 'p'
elseif m[2] == 'draining' then shut = 't'
elseif m[2] == 'created' then shut = 'w'
elseif now < opens or now < reopen then
  shut, opens_in = 'w', math.max(opens, reopen) - now
  if changes_in == 0 or opens_in < changes_in then changes_in = opens_in end
end
local standing = string.format('%s %d %d', shut or 'o', opens_in, changes_in)

local fields = {}
for j = 1, k do
  local f = 5 * j
  fields[f-4], fields[f-3], fields[f-2] = 'total:' .. j, 'booked:' .. j, 'limit:' .. j
  fields[f-1], fields[f] = 'sold_seq:' .. j, 'reopen_ms:' .. j
end
local items = call('HMGET', KEYS[1], unpack(fields))
local left, sold, reopens = {}, {}, {}
for j = 1, k do
  local f = 5 * j
  left[j], sold[j], reopens[j] = items[f-4] - items[f-3], items[f-1], items[f]
  if now < tonumber(items[f]) then left[j] = 0 end
end

local B, R = 6, 6 + n
local function invalid(id) return #id > 64 or not find(id, '^[a-z0-:@-Z_.-]+$') end
local has = call('HMGET', KEYS[2], unpack(A, B + 1, B + n))
local letters, retried = {}, {}
for i = 1, n do
  local j, q1, q2, q3 = byte(H, 4 * i - 3, 4 * i)
  local want = (q1 * 128 + q2) * 128 + q3
  local buyer, request, rec = A[B + i], A[R + i], has[i]
  local bare = j == 0 and want == 0
  local s, e
  if rec then s, e = find(rec, '\n' .. request .. ' ', 1, true) end
  local letter
  if invalid(buyer) or invalid(request) or (not bare and (want < 1 or want > 1000000)) then letter = 'i'
  elseif not bare and not left[j] then letter = 'n'
  elseif s then
    local item, units, index, id, state, till = match(rec, '^(%d+) (%d+) (%d+) (%S+) (%a) ?(%d*)', e + 1)
    if not bare and (tonumber(item) ~= j or tonumber(units) ~= want) then letter = 'c'
    else
      if state == 'r' and till ~= '' and now >= tonumber(till) then state = 'e' end
      letter = string.upper(state)
      retried[#retried + 1] = id .. '.' .. index .. (till ~= '' and ' ' .. till or '')
    end
  elseif bare then letter = 'u'
  elseif shut then letter = shut
  else
    local head = rec and match(rec, '^[^\n]+') or '0'
    local held = tonumber(match(head, ' ' .. j .. '=(%d+)') or 0)
    if held + want > tonumber(items[5*j-2]) or tonumber(match(head, '^%d+')) >= tonumber(m[12]) then letter = 'l'
    else letter = want > left[j] and 's' or 'o' end
  end
  letters[i] = letter
end
return {A[4], 'ok', now, m[9], table.concat(letters), table.concat(left, ' '), table.concat(sold, ' '),
  table.concat(reopens, ' '), standing, tonumber(m[16]),
  on_replica and 1 or 0, unpack(retried)}
