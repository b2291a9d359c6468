-- Whether there is room at a place, and what becomes of those for whom there is none. RULE holds of each limit (r) what it
-- lends at once, how much within a span, and the span; and until when a place is closed (h). RATE holds each lease that
-- counts: the place, 13 digits of its instant, 16 of all weights before it, its weight. REOPEN: when to look at a place.
local function rule_from(text)
  local at_once, most, span = string.match(text, '^(%d*) (%d*) (%d*)$')
  return tonumber(at_once), tonumber(most), tonumber(span)
end

local function rule_of(place)
  local text = redis.call('HGET', RULE, 'r' .. limit_of(place))
  if text then return rule_from(text) end
end

local function read_start(place, member)
  local at, before, weight = string.match(member, '^(%d+) (%d+) (%d+)$', #place + 1)
  return tonumber(at), tonumber(before), tonumber(weight)
end

local function start_as(place, at, before, weight)
  return place .. string.format('%013.0f %016.0f %.0f', at, before, weight)
end

-- The weights that count at an instant, and that of the first of them; `total` is that of all weights so far.
local function used(place, span, now)
  local last = redis.call('ZRANGE', RATE, '(' .. place .. ':', '[' .. place, 'BYLEX', 'REV', 'LIMIT', 0, 1)[1]
  if not last then return 0, nil, 0, 0 end
  local at, before, weight = read_start(place, last)
  local total = before + weight
  local from = '[' .. place .. string.format('%013.0f', math.max(now - span + 1, 0))
  local first = redis.call('ZRANGE', RATE, from, '(' .. place .. ':', 'BYLEX', 'LIMIT', 0, 1)[1]
  if not first then return 0, nil, total, at end
  local first_at, first_before = read_start(place, first)
  return total - first_before, first_at, total, at
end

-- Forgets what counts no more, some hundreds at once.
local function expire(place, span, now)
  local to = '(' .. place .. string.format('%013.0f', math.max(now - span + 1, 0))
  local old = redis.call('ZRANGE', RATE, '[' .. place, to, 'BYLEX', 'LIMIT', 0, 500)
  if #old > 0 then redis.call('ZREM', RATE, unpack(old)) end
end

local function has_room(place, weight, drawn, now)
  local at_once, most, span = rule_of(place)
  if at_once then
    local held = tonumber(redis.call('HGET', HELD, place) or 0) + drawn
    if held > 0 and held + weight > at_once then return false end
  end
  if most and span then
    local sum = used(place, span, now) + drawn
    if sum > 0 and sum + weight > most then return false end
  end
  return true
end

local function closed_until(place, now)
  local until_ = tonumber(redis.call('HGET', RULE, 'h' .. place) or 0)
  return until_ > now and until_ or nil
end

-- When to look at what is parked: at the end of a hold or of a span; the end of a lease looks by itself. What was passed over
-- for others that were queued, and for what nobody will tell, in a second.
local function set_alarm(place, now, is_passed)
  local at = closed_until(place, now)
  if not at and not is_passed and string.sub(place, 1, 1) == 'k' then
    local _, most, span = rule_of(place)
    local _, first = 0, nil
    if most and span then _, first = used(place, span, now) end
    if first then at = first + span
    elseif redis.call('HEXISTS', HELD, place) == 1 then return end
  end
  redis.call('ZADD', REOPEN, 'LT', at or now + 1000, place)
end

-- Moves what may fit now out of PARK, in order, a hundred at once. `queues` is told whose.
local function admit(place, now, queues)
  local drawn = 0
  redis.call('ZREM', REOPEN, place)
  local is_key = string.sub(place, 1, 1) == 'k'
  if is_key then
    local _, most, span = rule_of(place)
    if most and span then
      expire(place, span, now)
      local _, first, _, last = used(place, span, now)
      if first then redis.call('ZADD', REOPEN, last + span, place) end
    end
  end
  if closed_until(place, now) then
    redis.call('ZADD', REOPEN, 'LT', closed_until(place, now), place)
    return
  end
  redis.call('HDEL', RULE, 'h' .. place)
  for _ = 1, 100 do
    local member, _, queue, id = first_parked(place)
    if not member then return end
    local weight = 0
    if is_key then
      for _, need in ipairs(needs_of(redis.call('HGET', BOND, id)) or {}) do
        if need.place == place then weight = need.weight end
      end
    end
    if weight > 0 and not has_room(place, weight, drawn, now) then
      set_alarm(place, now, drawn > 0)
      return
    end
    drawn = drawn + weight
    redis.call('ZREM', PARK, member)
    redis.call('ZADD', MOVE, 0, moved_as(queue, id))
    queues[queue] = true
  end
  redis.call('ZADD', REOPEN, 'LT', now, place)
end
