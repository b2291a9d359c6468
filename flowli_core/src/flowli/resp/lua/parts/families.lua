-- Parents and children. BOND has a child's parents (field a), KIDS of each parent the children that are not over, whose
-- record is kept for them; OPEN of each child that waits how many of its parents are still to end. A waiting child stands
-- among those that are due, at an instant that never comes. Texts in a row have their lengths in front.
local NEVER = 9e15

local function texts(list)
  local found, at = {}, 1
  while at <= #list do
    local size, from = string.match(list, '^(%d+):()', at)
    found[#found + 1] = string.sub(list, from, from + size - 1)
    at = from + size
  end
  return found
end

local function is_kept(id) return redis.call('HEXISTS', KIDS, id) == 1 end

-- The place of the keys of a queue, by its name, with which they end.
local function place_of(queue)
  for k = FIXED, #KEYS - STRIDE, STRIDE do
    if string.sub(KEYS[k + DUE], #JOBS + 1) == queue then return k end
  end
end

-- Whether the children that the end of these jobs would queue have keys that were declared: if not, the names of their
-- queues are put behind the others.
local function declare_children(kids, names)
  local ends = {}
  for _, list in pairs(kids) do
    for _, child in ipairs(texts(list)) do ends[child] = (ends[child] or 0) + 1 end
  end
  for child, count in pairs(ends) do
    local open = redis.call('HGET', OPEN, child)
    local record = open and open - count <= 0 and redis.call('HGET', JOBS, child)
    if record and not place_of(queue_of(record)) then names[#names + 1] = queue_of(record) end
  end
  return names
end

-- A parent is over: children for which it was the last are queued.
local function count_down(list, now)
  for _, child in ipairs(texts(list)) do
    if redis.call('HEXISTS', OPEN, child) == 1 and redis.call('HINCRBY', OPEN, child, -1) <= 0 then
      redis.call('HDEL', OPEN, child)
      local record = redis.call('HGET', JOBS, child)
      local k = record and place_of(queue_of(record))
      if k and redis.call('ZREM', KEYS[k + DUE], child) == 1 then
        local priority, enter = redis.call('HGET', MORE, child) or 0, in_turn_by(redis.call('HGET', BOND, child))
        if enter then enter(queue_of(record), priority, now, child)
        else redis.call('ZADD', KEYS[k + RANK], priority * -1e13 + now, child) end
        redis.call('ZADD', KEYS[k + WAKE], 0, '0')
      end
    end
  end
end

-- A child is over: its parents are kept for it no more. What has expired meanwhile is swept when its index comes to it.
local function let_go(child, list)
  redis.call('HDEL', OPEN, child)
  local parents, free = texts(list), {}
  local kids = fetch(KIDS, parents)
  for i = 1, #parents do
    local left = ''
    for _, one in ipairs(kids[i] and texts(kids[i]) or {}) do
      if one ~= child then left = left .. #one .. ':' .. one end
    end
    if left == '' then free[#free + 1] = parents[i] else redis.call('HSET', KIDS, parents[i], left) end
  end
  many('HDEL', KIDS, free)
end
