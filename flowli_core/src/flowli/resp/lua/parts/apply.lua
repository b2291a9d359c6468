-- Applies changes of schedules: for each in ARGV key, expected, P put or D delete, instant|'', body, number of jobs, jobs of
-- `stride` arguments each, which `store(at, n)` stores. Answers {1|0, what stands or '', what `store` said} for each.

-- The greatest version of all schedules that were deleted: what is put begins above it, so that whoever saw a schedule
-- before it was deleted changes nothing of the one that came after it.
local function buried() return tonumber(redis.call('HGET', META, 'buried') or 0) end

-- Calls `check(at, n)` for the jobs of each change; how many jobs there are, or nothing if something is too large.
local function survey(first, stride, check)
  local at, total = first, 0
  while at <= #ARGV do
    local n = tonumber(ARGV[at + 5])
    if #ARGV[at + 4] > 8454144 or not check(at + 6, n) then return nil end
    total = total + n
    at = at + 6 + stride * n
  end
  return total
end

local function apply(first, stride, store)
  local at, out = first, {}
  while at <= #ARGV do
    local key, expected, n = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 5])
    local stands = redis.call('HGET', PLAN, key)
    local version = stands and string.match(stands, '^%d+') or '0'
    if version ~= expected then out[#out + 1] = {0, stands or ''}
    else
      local said = n > 0 and store(at + 6, n) or {}
      redis.call('ZREM', TICK, key)
      if ARGV[at + 2] == 'D' then
        redis.call('HDEL', PLAN, key)
        if tonumber(expected) > buried() then redis.call('HSET', META, 'buried', expected) end
        stands = ''
      else
        local after = (stands and expected or buried()) + 1
        stands = string.format('%.0f', after) .. ' ' .. ARGV[at + 3] .. '\n' .. ARGV[at + 4]
        redis.call('HSET', PLAN, key, stands)
        if ARGV[at + 3] ~= '' then redis.call('ZADD', TICK, ARGV[at + 3], key) end
      end
      out[#out + 1] = {1, stands, unpack(said)}
    end
    at = at + 6 + stride * n
  end
  return out
end
