#!lua
-- rebuild.lua: one chunk of a sale rebuilt from the database, while its gate is closed. PROTOCOL section 10.
--
-- KEYS[1] fs:{S}:meta  KEYS[2] fs:{S}:buyers  KEYS[3] fs:{S}:holds  KEYS[4] fs:{S}:ops  KEYS[5] fs:{S}:winners
-- ARGV[1] nonce  [2] meta.rec as close_gate.lua set it  [3] number of this chunk: 0 is clear, then 1, 2, ...
-- ARGV[4] clear, buyers (who are not there yet), more (who may be), holds or ops
-- ARGV[5..] pairs, at most 1,000: buyer and record; deadline and member of holds; operation and its arguments
-- Returns {nonce, verdict}: ok; claimed (another reconcile has taken over, or meta is gone); torn (the chunk before
--   this one is not here); not_primary.
-- meta.rebuilt counts the chunks, so each has its effect once and in its turn: a copy of `clear` that stalled on its
-- way cannot wipe what came after it. Until the reopening `#` of buyers holds meta.rec, so that buyers which are
-- evicted or deleted in the middle are missed.
-- A buyer comes at most once a chunk; what `more` has of one who is there is put behind it.
-- Cost: O(pairs); clear frees the old keys in the background.
local A, call, match, format = ARGV, redis.call, string.match, string.format
if not string.find(call('INFO', 'replication'), 'role:master', 1, true) then return {A[1], 'not_primary'} end
local m = call('HMGET', KEYS[1], 'rec', 'rebuilt')
if m[1] ~= A[2] then return {A[1], 'claimed'} end
local done, number = tonumber(m[2]) or -1, tonumber(A[3])
if number <= done then return {A[1], 'ok'} end
if number > done + 1 then return {A[1], 'torn'} end
if number > 0 and call('HGET', KEYS[2], '#') ~= A[2] then return {A[1], 'torn'} end

-- Two parts of a buyer's record as one: counts in the head, the older orders first.
local function joined(rec, more)
  local parts = '^(%d+)([^\n]*)(.*)$'
  local count, held, lines = match(rec, parts)
  local added, units, more_lines = match(more, parts)
  for item, n in string.gmatch(units, ' (%d+)=(%d+)') do
    local places
    held, places = string.gsub(held, '( ' .. item .. '=)(%d+)', function(key, had)
      return key .. format('%d', had + n)
    end)
    if places == 0 then held = held .. ' ' .. item .. '=' .. n end
  end
  return format('%d', count + added) .. held .. lines .. more_lines
end

if A[4] == 'clear' then
  call('UNLINK', KEYS[2], KEYS[3], KEYS[4], KEYS[5])
  call('HSET', KEYS[2], '#', A[2])
  call('ZADD', KEYS[3], 'inf', '#')
  call('HSET', KEYS[4], '#', '')
elseif A[4] == 'buyers' then
  -- Nobody's orders are overwritten: whoever sent this must know that they are new, or it is no chunk of ours.
  if call('HSET', KEYS[2], unpack(A, 5)) ~= (#A - 4) / 2 then return redis.error_reply('FLASHSALE ARGV') end
elseif A[4] == 'more' then
  local buyers = {}
  for i = 5, #A, 2 do buyers[(i - 3) / 2] = A[i] end
  local has = call('HMGET', KEYS[2], unpack(buyers))
  for i = 1, #buyers do
    if has[i] then A[2 * i + 4] = joined(has[i], A[2 * i + 4]) end
  end
  call('HSET', KEYS[2], unpack(A, 5))
elseif A[4] == 'holds' then call('ZADD', KEYS[3], 'LT', unpack(A, 5))
elseif A[4] == 'ops' then call('HSET', KEYS[4], unpack(A, 5))
else return redis.error_reply('FLASHSALE ARGV') end
call('HSET', KEYS[1], 'rebuilt', A[3])
return {A[1], 'ok'}
