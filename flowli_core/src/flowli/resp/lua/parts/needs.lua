-- What jobs draw on. A place is a limit and one of its keys, 'k' with the lengths and texts of both, or all of its keys, 'a'
-- with those of the limit: no place is the beginning of another. The bond 'l' lists needs: length and text of the place,
-- weight, and the rule as it was when the job was stored.
local FAR = 6e15

-- What most of them are, without a look at each field: a single need whose weight is a digit, and no other bond. Those of one
-- limit mostly begin alike, with the lengths: what these say is read once.
local head, head_size, place_size = nil, 0, 0
local function need_alone(bonds)
  if string.sub(bonds, 1, head_size) ~= head then
    local size, from = string.match(bonds, '^l%d+:(%d+):()')
    if not size then return nil end
    head_size, place_size = from - 1, size + 0
    head = string.sub(bonds, 1, head_size)
  end
  local behind = head_size + place_size + 1
  local weight, space = string.byte(bonds, behind, behind + 1)
  if space ~= 32 or string.find(bonds, ';', behind, true) ~= #bonds then return nil end
  return {place = string.sub(bonds, head_size + 1, behind - 1), weight = weight - 48, behind = behind}
end

-- A need has the place, the weight, and where these begin in the text, with the rule behind.
local function needs_of(bonds)
  if not bonds then return nil end
  local only = need_alone(bonds)
  if only then return {only} end
  local at, to = bounds_of(bonds, 'l')
  if not at then return nil end
  local needs = {}
  while at <= to do
    local size, from = string.match(bonds, '^(%d+):()', at)
    local behind = from + size
    local weight, next_at = string.match(bonds, '^(%d+) [%d ]*;()', behind)
    needs[#needs + 1] = {place = string.sub(bonds, from, behind - 1), weight = weight + 0, behind = behind}
    at = next_at
  end
  return needs
end

-- The limit of a place. Most are keys of one limit: its length stands before its name, so the same beginning is the same limit.
local beginning, begun = nil, 0
local limit_begun
local function limit_of(place)
  if string.sub(place, 1, begun) == beginning then return limit_begun end
  local size, from = string.match(place, '^%a(%d+):()')
  begun = from + size - 1
  beginning, limit_begun = string.sub(place, 1, begun), string.sub(place, from, begun)
  return limit_begun
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
