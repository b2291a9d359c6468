-- Compare and set schedules, and store the jobs of what was set in the same step.
-- KEYS: jobs queues state active crash more call none plan tick meta | line rank due wake done fail gone
-- ARGV: now|'' | number of queues, names | for each change: key, expected, P put or D delete, instant|'', body, jobs,
--   for each job: queue number, due, id, record
-- Returns: {now, for each change {1|0, what stands or '', letters, instants}} or {'again', queue..}
-- USES: clock batch stand put
local now = clock(ARGV[1])
local place, at, total, again = places(), 3 + ARGV[2], 0, {'again'}
while at <= #ARGV do
  local n = tonumber(ARGV[at + 5])
  if too_large(at + 6, n) or #ARGV[at + 4] > 8454144 then return redis.error_reply('TOOLARGE') end
  undeclared(fetch(JOBS, ids_at(at + 6, n)), place, again)
  total = total + n
  at = at + 6 + 4 * n
end
if #again > 1 then return again end

-- The greatest version of all schedules that were deleted: what is put begins above it, so that whoever saw a schedule
-- before it was deleted changes nothing of the one that came after it.
local function buried() return tonumber(redis.call('HGET', META, 'buried') or 0) end

-- A full store refuses new jobs; it does not refuse to pause or delete a schedule.
if total == 0 then redis.call('DEL', NONE) end
local out = {}
at = 3 + ARGV[2]
while at <= #ARGV do
  local key, expected, n = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 5])
  local stands = redis.call('HGET', PLAN, key)
  local version = stands and string.match(stands, '^%d+') or '0'
  if version ~= expected then out[#out + 1] = {0, stands or '', '', ''}
  else
    local letters, instants = '', ''
    if n > 0 then
      local ids = ids_at(at + 6, n)
      letters, instants = put(at + 6, n, ids, fetch(JOBS, ids), place, now)
    end
    redis.call('ZREM', TICK, key)
    if ARGV[at + 2] == 'D' then
      redis.call('HDEL', PLAN, key)
      if tonumber(expected) > buried() then redis.call('HSET', META, 'buried', expected) end
      stands = ''
    else
      stands = string.format('%.0f', (stands and expected or buried()) + 1) .. ' ' .. ARGV[at + 3] .. '\n' .. ARGV[at + 4]
      redis.call('HSET', PLAN, key, stands)
      if ARGV[at + 3] ~= '' then redis.call('ZADD', TICK, ARGV[at + 3], key) end
    end
    out[#out + 1] = {1, stands, letters, instants}
  end
  at = at + 6 + 4 * n
end
return {now, out}
