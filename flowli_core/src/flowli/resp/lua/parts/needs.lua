-- What jobs draw on. A place is a limit and one of its keys, 'k' with the lengths and texts of both, or all of its keys, 'a'
-- with those of the limit: no place is the beginning of another. The bond 'l' lists needs: length and text of the place,
-- weight, and the rule as it was when the job was stored.
local FAR = 6e15

local function needs_of(bonds)
  local at, to
  if bonds then at, to = bounds_of(bonds, 'l') end
  if not at then return nil end
  local needs = {}
  while at <= to do
    local size, from = string.match(bonds, '^(%d+):()', at)
    local behind = from + size
    local weight, rule, next_at = string.match(bonds, '^(%d+) ([%d ]*);()', behind)
    needs[#needs + 1] = {place = string.sub(bonds, from, behind - 1), weight = weight + 0, rule = rule}
    at = next_at
  end
  return needs
end

local function limit_of(place)
  local size, from = string.match(place, '^%a(%d+):()')
  return string.sub(place, from, from + size - 1)
end

local function whole_of(place)
  local limit = limit_of(place)
  return 'a' .. #limit .. ':' .. limit
end

-- PARK holds what waits for a place: the place, 14 digits of the rank that it had among the ready, its queue, its id.
local function rank_of(priority, ready) return string.format('%014.0f', (9 - priority) * 1e13 + ready) end

local function parked_as(place, rank, queue, id) return place .. rank .. #queue .. ':' .. queue .. id end

local function first_parked(place)
  local member = redis.call('ZRANGE', PARK, '[' .. place, '(' .. place .. ':', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not member then return nil end
  local size, from = string.match(member, '^(%d+):()', #place + 15)
  local queue = string.sub(member, from, from + size - 1)
  return member, tonumber(string.sub(member, #place + 1, #place + 14)), queue, string.sub(member, from + size)
end

-- MOVE holds what was taken out of PARK, for the next claim of its queue.
local function moved_as(queue, id) return #queue .. ':' .. queue .. id end
