-- Cancel jobs: what waits becomes cancelled, what runs is asked, what is terminal stands. First write: a deletion.
-- KEYS: none jobs state active crash more asked watch ghost bond uniq lapse kids open prog park move fair round | line rank due wake gone
-- ARGV: now|'' | number of queues, names | for each act: id, keep, '1' and memo or ''
-- Returns: a string, for each act the letter met (- unknown), {that, for each child that waited: which act, parents} or
--   {'again', queue..}
-- USES: clock batch stand forget ghosts fields needs rounds unpark leave families bonds publish
local now = clock(ARGV[1])
local at = 3 + ARGV[2]
local n = (#ARGV - at + 1) / 3
local ids, place = {}, places()
for i = 1, n do ids[i] = ARGV[at + 3 * (i - 1)] end
local records = fetch(JOBS, ids)
local again = {'again'}
for i = 1, n do
  if records[i] and not place[queue_of(records[i])] then again[#again + 1] = queue_of(records[i]) end
end
local kids = redis.call('EXISTS', KIDS) == 1 and fetch(KIDS, ids) or {}
local ending_now = {}
for i = 1, n do ending_now[ids[i]] = kids[i] or nil end
declare_children(ending_now, again)
if #again > 1 then return again end

redis.call('DEL', NONE)
local over, out, waited = {}, {}, {}

local function cancel(i, state)
  local id, keep, memo = ids[i], tonumber(ARGV[at + 3 * i - 2]), ARGV[at + 3 * i - 1]
  local queue = queue_of(records[i])
  local k = place[queue]
  note_parents(waited, i, id)
  local met = leave(queue, k, id)
  redis.call('HDEL', ASKED, id)
  redis.call('HDEL', PROG, id)
  over[#over + 1] = id
  if kids[i] then count_down(kids[i], now)
  elseif keep <= 0 then forget({id}) return met end
  local token = state and string.match(state, '^%a(%d+) ') or '0'
  if memo == '' then memo = state and string.match(state, '\n(.*)$') or '' else memo = string.sub(memo, 2) end
  redis.call('HSET', STATE, id, 'X' .. token .. ' ' .. string.format('%.0f', now + keep) .. '\n' .. memo)
  redis.call('ZADD', KEYS[k + GONE], kids[i] and math.max(now + keep, now + 60000) or now + keep, id)
  return met
end

for i = 1, n do
  local id = ids[i]
  local state = redis.call('HGET', STATE, id)
  local letter, expiry = ending(state)
  if redis.call('HEXISTS', JOBS, id) == 0 or (letter and expiry <= now and not is_kept(id)) then out[i] = '-'
  elseif letter then out[i] = letter
  elseif redis.call('HEXISTS', ACTIVE, id) == 1 then
    redis.call('HSET', ASKED, id, '1')
    out[i] = 'A'
  else out[i] = cancel(i, state) end
end
after_end(over, true)
if #waited > 0 then return {table.concat(out), waited} end
return table.concat(out)
