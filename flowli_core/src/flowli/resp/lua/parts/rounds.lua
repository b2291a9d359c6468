-- Whose turn it is among the groups of a queue. FAIR holds queue, 9 - priority, 12 digits of the round, 13 of the instant
-- since when it is ready, the length of its group, its group and id. ROUND holds of each queue and priority the present round
-- (v), that of the jobs without a group (n) and the last one of each group (g); and the member of each job (j).
local function round_field(kind, queue, digit, group) return kind .. digit .. #queue .. ':' .. queue .. group end

local function in_turn_of(queue) return #queue .. ':' .. queue end

local function enter_turn(queue, priority, ready, group, id)
  local digit, round = 9 - priority, 0
  if ready > 0 then
    local last = round_field('g', queue, digit, group)
    local present, before = unpack(redis.call('HMGET', ROUND, round_field('v', queue, digit, ''), last))
    round = math.max(tonumber(present or 0), tonumber(before or 0)) + 1
    redis.call('HSET', ROUND, last, round)
  end
  local member = in_turn_of(queue) .. digit .. string.format('%012.0f%013.0f', round, ready) .. #group .. ':' .. group .. id
  redis.call('ZADD', FAIR, 0, member)
  redis.call('HSET', ROUND, 'j' .. id, member)
end

-- Priority, round, instant, group and id of a member.
local function read_turn(queue, member)
  local from = #in_turn_of(queue) + 1
  local digit, round, ready, size, at = string.match(member, '^(%d)(' .. string.rep('%d', 12) .. ')('
    .. string.rep('%d', 13) .. ')(%d+):()', from)
  return 9 - digit, tonumber(round), tonumber(ready), string.sub(member, at, at + size - 1), string.sub(member, at + size)
end

local function first_in_turn(queue, n)
  local q = in_turn_of(queue)
  return redis.call('ZRANGE', FAIR, '[' .. q, '(' .. q .. ':', 'BYLEX', 'LIMIT', 0, n)
end

-- Takes a member out; a group is forgotten with its last one, and the rounds with the last group.
local function leave_turn(queue, member)
  local priority, round, _, group, id = read_turn(queue, member)
  local digit = 9 - priority
  redis.call('ZREM', FAIR, member)
  redis.call('HDEL', ROUND, 'j' .. id)
  local last = round_field('g', queue, digit, group)
  if tonumber(redis.call('HGET', ROUND, last) or -1) == round then redis.call('HDEL', ROUND, last) end
  local q = in_turn_of(queue) .. digit
  if #redis.call('ZRANGE', FAIR, '[' .. q, '(' .. q .. ':', 'BYLEX', 'LIMIT', 0, 1) == 0 then
    redis.call('HDEL', ROUND, round_field('v', queue, digit, ''), round_field('n', queue, digit, ''))
  end
end

-- Takes a job out by its id; whether it was there.
local function cancel_turn(queue, id)
  local member = redis.call('HGET', ROUND, 'j' .. id)
  if member then leave_turn(queue, member) end
  return member
end

-- How a job with these bonds is put among the ready where it has a group; nothing where it has none.
local function in_turn_by(bonds)
  local group = bonds and field_of(bonds, 'g')
  if not group then return nil end
  return function(queue, priority, ready, id) enter_turn(queue, tonumber(priority), ready, group, id) end
end
