-- Replace rules of limits, and close or reopen places. The first write is a deletion.
-- KEYS: none rule park reopen
-- ARGV: now|'' | 0 | for each: 'r', limit, rule ('at_once most span'); or 'h', place, instant or '' to reopen it now
-- Returns: queues whose runners are to be woken
-- USES: clock batch fields needs
local now = clock(ARGV[1])
redis.call('DEL', NONE)
local waking, names = {}, {}

local function look_at(place)
  redis.call('ZADD', REOPEN, 0, place)
  local member, _, queue = first_parked(place)
  if member then waking[queue] = true end
end

-- The places under a limit for which something waits, a thousand at most.
local function look_at_all(limit)
  local own = 'k' .. #limit .. ':' .. limit
  local from = '[' .. own
  for _ = 1, 1000 do
    local member = redis.call('ZRANGE', PARK, from, '(' .. own .. ':', 'BYLEX', 'LIMIT', 0, 1)[1]
    if not member then return end
    local size, at = string.match(member, '^(%d+):()', #own + 1)
    local place = string.sub(member, 1, at + size - 1)
    look_at(place)
    from = '(' .. place .. ':'
  end
end

for at = 3, #ARGV, 3 do
  local deed, name, value = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if deed == 'r' then
    local stands = redis.call('HGET', RULE, 'r' .. name)
    redis.call('HSET', RULE, 'r' .. name, value)
    if stands and stands ~= value then look_at_all(name) end
  elseif value == '' then
    redis.call('HDEL', RULE, 'h' .. name)
    look_at(name)
  else
    redis.call('HSET', RULE, 'h' .. name, value)
    redis.call('ZADD', REOPEN, 'LT', value, name)
  end
end
for queue in pairs(waking) do names[#names + 1] = queue end
return names
