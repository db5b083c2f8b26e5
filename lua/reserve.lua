#!lua
-- reserve.lua: decides a batch of requests of one sale, in order, and journals what it sold. PROTOCOL section 3.
--
-- KEYS[1] fs:{S}:meta     hash
-- KEYS[2] fs:{S}:buyers   hash: '#' = epoch; buyer -> record
-- KEYS[3] fs:{S}:journal  stream   (in list mode: fs:{S}:orders, list)
-- KEYS[4] fs:{S}:holds    zset     (only in a sale with holds)
-- ARGV[1] epoch  [2] uuid of the sale  [3] not_after_ms  [4] nonce  [5] the highest seq that the caller has heard of
-- ARGV[6] ten bytes a request: item's index from 1 (0: the sale has no such item), quantity in 3 digits of base 128,
--   then the lengths of its body's stem, its buyer, its request and its body (this one in 3 digits of base 256)
-- ARGV[7] buyer and request of each, one behind the other  [8] their bodies. Redis parses, copies and frees every
--   argument and so does Lua, which costs several times what cutting a piece out of a string costs.
--   stem  "<item> <quantity> <index>"      item by its index; also a part of the record, so that nothing is formatted
--   body  " <stem> <request> <bytes of payload> <payload>"
--         (list mode, whose elements strangers read: ".<index> <buyer> <item id> <quantity> <request> <payload>")
-- A journal entry names its items once: field `i`, "<item> <item id>" of each that it sold; field `o` has the orders,
--   "<buyer><body>" one behind the other. A field an order made XADD three times as dear, and a script's read of it
--   almost twenty times: Redis copies every field, and so does Lua.
-- A record: "<orders> <item>=<units held>...", then per order a line
--   "\n<request> <item> <quantity> <index> <epoch>-<seq> <state>[ <hold until ms>]"
--   state: r reserved, c confirmed, g releasing, d released, x expiring, e expired, k dead
-- Returns {nonce, verdict, now_ms}, verdict one of not_primary (look for the primary), absent, layout,
--   fenced, stale (another epoch or sale), late; or
--   {nonce, 'ok', now_ms, seq, letters, units left, seq that last sold, reopen_ms (each one number an item),
--    standing, probe_ms, hold_until_ms, then "<order id>[ <hold until>]" for each retried request}
--   standing: "<letter> <opens in ms> <changes in ms>", what the sale as a whole says to whoever won nothing (o: buy),
--   when it will open by itself (of w), and when its schedule changes that letter next; 0: it does not
--   letters: a reserved; i invalid, n no such item, c conflict, e ended, p paused, t draining, w not started, l limit,
--   s sold out; R C G D X E K: won before, in that state
-- Cost: O(batch); no loop over a buyer's orders. Nothing is written before the one write that can refuse, XADD.
local A, call, find, match, byte = ARGV, redis.call, string.find, string.match, string.byte
local format, upper, sub, concat = string.format, string.upper, string.sub, table.concat

local function refuse(verdict, now) return {A[4], verdict, now or 0} end
-- A rule that is missing is told as it is, and is no reason to reconcile; any other refusal is about the id.
local function denied(x)
  local err = type(x) == 'table' and x.err
  local function says(words) return err and find(err, words, 1, true) end
  return (says('NOPERM') or says('ACL failure in script') or says('The user executing the script'))
    and redis.error_reply(err .. ' (XADD)')
end

-- Guards and fence: is this a primary, and the sale, whole, on the history it was opened under? A replica has the very
-- same history id, and may be writable (replica-read-only no): what it sold its primary would sell again.
local info = call('INFO', 'replication')
if not find(info, 'role:master', 1, true) then return refuse('not_primary') end
local m = call('HMGET', KEYS[1], 'layout', 'state', 'opens_ms', 'closes_ms', 'reopen_ms', 'epoch', 'hist', 'rec',
  'seq', 'link', 'last_ms', 'buyer_orders_max', 'uuid', 'queue', 'hold_ms', 'probe_ms', 'items', 'held')
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

local k = tonumber(m[17])
local H, ids, bodies, n = A[6], A[7], A[8], #A[6] / 10
if n < 1 or n > 512 or n % 1 ~= 0 or #A ~= 8 or not find(A[5], '^%d+$') then
  return redis.error_reply('FLASHSALE ARGV')
end
-- The caller has heard of more than this Redis knows: the sale was put back to an earlier state of the same history,
-- which INFO cannot tell. Nobody may sell on until it is reconciled.
if tonumber(m[9]) < tonumber(A[5]) then
  call('HSET', KEYS[1], 'hist', '-')
  return refuse('fenced', now)
end
local buyers, requests, body_at = {}, {}, {}
do
  local p, y = 1, 1
  for i = 1, n do
    local b, r, y1, y2, y3 = byte(H, 10 * i - 4, 10 * i)
    buyers[i], requests[i], body_at[i] = sub(ids, p, p + b - 1), sub(ids, p + b, p + b + r - 1), y
    p, y = p + b + r, y + (y1 * 256 + y2) * 256 + y3
  end
  body_at[n + 1] = y
  if p ~= #ids + 1 or y ~= #bodies + 1 then return redis.error_reply('FLASHSALE ARGV') end
end
local list, hold_ms = m[14] == 'list', tonumber(m[15])

-- What the sale as a whole says to whoever won nothing yet, and for how long its schedule will not change that.
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
local standing = format('%s %d %d', shut or 'o', opens_in, changes_in)

-- The items: units left, as far as they may be sold now.
local fields = {}
for j = 1, k do
  local f = 6 * j
  fields[f-5], fields[f-4], fields[f-3] = 'total:' .. j, 'booked:' .. j, 'limit:' .. j
  fields[f-2], fields[f-1], fields[f] = 'sold_seq:' .. j, 'reopen_ms:' .. j, 'item:' .. j
end
local items = call('HMGET', KEYS[1], unpack(fields))
local left, limit = {}, {}
for j = 1, k do
  local f = 6 * j
  left[j], limit[j] = items[f-5] - items[f-4], tonumber(items[f-3])
  if now < tonumber(items[f-1]) then left[j] = 0 end
end
local before = {unpack(left)}

-- One search over all ids tells whether all are sound; only else is it asked which is not. Spans of ASCII are compared
-- as they are, while %w would call isalnum for every byte, and a search for [^...] would begin anew at every byte.
local sound = find(ids, '^[a-z0-:@-Z_.-]*$')
local function invalid(id) return #id < 1 or #id > 64 or not (sound or find(id, '^[a-z0-:@-Z_.-]+$')) end

local has = call('HMGET', KEYS[2], unpack(buyers))
local orders_max = tonumber(m[12])
local seq = format('%d', m[9] + 1)
local hold_until = hold_ms > 0 and now + hold_ms or 0
local suffix = ' ' .. A[1] .. '-' .. seq .. ' r'
if hold_until > 0 then suffix = suffix .. format(' %d', hold_until) end

-- What a buyer's first record begins with, by item and quantity: few of them, so each is formatted once.
local heads = {}
local function first_head(j, want)
  local key = j * 1048576 + want
  local head = heads[key]
  if not head then
    head = format('1 %d=%d\n', j, want)
    heads[key] = head
  end
  return head
end

-- The record with one order more: counts in the head, the order's line at the end.
local function add_order(rec, head, count, j, held, want, line)
  local key = ' ' .. j .. '='
  local p, pe = find(head, key, 1, true)
  local counts = match(head, '^%d+(.*)$')
  if p then
    local rest = match(head, '^%d+(.*)$', pe + 1)
    counts = sub(head, #match(head, '^%d+') + 1, pe) .. format('%d', held + want) .. rest
  else counts = counts .. key .. format('%d', want) end
  return format('%d', count + 1) .. counts .. sub(rec, #head + 1) .. '\n' .. line
end

local letters, retried, mine = {}, {}, {}
local w, q, x = {}, {}, 0  -- records and orders to write, both in pairs; x elements of each
local z = {}  -- whose order is held
for i = 1, n do
  local j, q1, q2, q3, stem_bytes = byte(H, 10 * i - 9, 10 * i - 5)
  local want = (q1 * 128 + q2) * 128 + q3
  local buyer, request = buyers[i], requests[i]
  local rec = mine[buyer] or has[i]
  local s, e
  if rec then s, e = find(rec, '\n' .. request .. ' ', 1, true) end
  local letter
  if want < 1 or want > 1000000 or invalid(buyer) or invalid(request) then letter = 'i'
  elseif not left[j] then letter = 'n'
  elseif s then
    local item, units, index, id, state, till = match(rec, '^(%d+) (%d+) (%d+) (%S+) (%a) ?(%d*)', e + 1)
    if tonumber(item) ~= j or tonumber(units) ~= want then letter = 'c'
    else
      if state == 'r' and till ~= '' and now >= tonumber(till) then state = 'e' end
      letter = upper(state)
      retried[#retried + 1] = id .. '.' .. index .. (till ~= '' and ' ' .. till or '')
    end
  elseif shut then letter = shut
  else
    local held, count, head = 0, 0, nil
    if rec then
      head = match(rec, '^[^\n]+')
      count = tonumber(match(head, '^%d+'))
      held = tonumber(match(head, ' ' .. j .. '=(%d+)') or 0)
    end
    if held + want > limit[j] or count >= orders_max then letter = 'l'
    elseif want > left[j] then letter = 's'
    else
      letter = 'a'
      left[j] = left[j] - want
      local body = sub(bodies, body_at[i], body_at[i + 1] - 1)
      local stem = list and format('%d %d %d', j, want, i - 1) or sub(body, 2, stem_bytes + 1)
      local value
      if rec then value = add_order(rec, head, count, j, held, want, request .. ' ' .. stem .. suffix)
      else value = first_head(j, want) .. request .. ' ' .. stem .. suffix end
      mine[buyer] = value
      w[x + 1], w[x + 2] = buyer, value
      if list then q[#q + 1] = A[1] .. '-' .. seq .. body
      else q[x + 1], q[x + 2] = buyer, body end
      x = x + 2
      if hold_until > 0 then z[x / 2] = buyer end
    end
  end
  letters[i] = letter
end

-- The writes. XADD is the only one that can refuse, so it goes first; a list has no such guard and needs none, for
-- nothing ever reads it by position.
if x > 0 then
  if list then call('LPUSH', KEYS[3], unpack(q))
  else
    local id, names = A[1] .. '-' .. seq, {}
    for j = 1, k do
      if left[j] ~= before[j] then names[#names + 1] = format('%d ', j) .. items[6 * j] end
    end
    local added = redis.pcall('XADD', KEYS[3], 'NOMKSTREAM', id, 'h',
      '1 reserve ' .. A[4] .. ' ' .. m[10] .. format(' %d %d', now, hold_until), 'i', concat(names, ' '),
      'o', concat(q))
    if added ~= id then return denied(added) or refuse('fenced', now) end
  end
  local u = {'seq', seq, 'link', A[4], 'last_ms', format('%d', now)}
  if #z > 0 then u[7], u[8] = 'held', format('%d', (m[18] or 0) + #z) end
  for j = 1, k do
    if left[j] ~= before[j] then
      local f = #u
      items[6 * j - 2] = seq
      u[f + 1], u[f + 2] = 'booked:' .. j, format('%d', items[6 * j - 5] - left[j])
      u[f + 3], u[f + 4] = 'sold_seq:' .. j, seq
    end
  end
  call('HSET', KEYS[1], unpack(u))
  call('HSET', KEYS[2], unpack(w))
  -- One member an entry: one an order would cost half as much again as all of the rest.
  if #z > 0 then call('ZADD', KEYS[4], format('%d', hold_until), A[1] .. '-' .. seq .. ' ' .. concat(z, ' ')) end
else seq = m[9] end

local sold, reopens = {}, {}
for j = 1, k do sold[j], reopens[j] = items[6 * j - 2], items[6 * j - 1] end
return {A[4], 'ok', now, seq, concat(letters), concat(left, ' '), concat(sold, ' '), concat(reopens, ' '),
  standing, tonumber(m[16]), hold_until, unpack(retried)}
