-- Store jobs of which some are bound to others, one after the other: what one of them does, the next one meets. Nothing is
-- written before everything is declared, and the first write that makes a job is one that a full store refuses.
-- KEYS: jobs queues state active crash more call sent ghost asked bond uniq lapse | line rank due wake done fail gone
-- ARGV: now|'' | number of queues, names | turn|'' | for each job: queue number, due, id, record, bonds
-- Returns: {now, for each job: what came of it (c made, e stands, p replaced, r rescheduled), letter of its state or '-',
--   instant, id}, {'again', queue..} or {'old'}
-- USES: clock batch stand ghosts leave bonds put lapse
local at, sent = 4 + ARGV[2], redis.call('GET', SENT)
local turn = ARGV[at - 1]
if turn ~= '' and sent then
  local number, now, from = string.match(sent, '^(%d+) (%d+)\n()')
  if number == turn then
    local answer = {tonumber(now)}
    while from <= #sent do
      local deed, letter, instant, size, at = string.match(sent, '^(.)(.)(%d+) (%d+):()', from)
      from = at + size
      for _, value in ipairs({deed, letter, instant, string.sub(sent, at, from - 1)}) do answer[#answer + 1] = value end
    end
    return answer
  end
  if tonumber(number) > tonumber(turn) then return {'old'} end
end
local now = clock(ARGV[1])
local n = (#ARGV - at + 1) / 5
local place, ids, keys = places(), {}, {}
for i = 1, n do
  local b = at + 5 * (i - 1)
  if n > 1000 or #ARGV[b + 3] > 8454144 then return redis.error_reply('TOOLARGE') end
  ids[i] = ARGV[b + 2]
  local _, _, _, key = unique_of(ARGV[b + 4])
  keys[#keys + 1] = key
end
for _, held in ipairs(fetch(UNIQ, keys)) do
  if held then ids[#ids + 1] = select(4, hold_of(held)) end
end
local again = undeclared(fetch(JOBS, ids), place, {'again'})
if #again > 1 then return again end

-- The letter and instant of the job that holds a key ('-' where its record is gone), its id and record, and the hold;
-- nothing for a key that is free. That a job is over or was started is looked up: who wrote that may have been a release
-- that knows no keys.
local function holder(key)
  local held = redis.call('HGET', UNIQ, key)
  if not held then return nil end
  local way, _, ends, id = hold_of(held)
  if tonumber(ends) > 0 and tonumber(ends) <= now then return nil end
  local record, letter, instant = redis.call('HGET', JOBS, id), nil, nil
  if record then letter, instant = standing(id, record, place, now) end
  if way == 'L' then return letter or '-', instant or 0, id, record, held end
  if not letter or is_terminal(letter) then return nil end
  if way == 'S' and (letter == 'A' or redis.call('HEXISTS', STATE, id) + redis.call('HEXISTS', CRASH, id) > 0) then
    return nil
  end
  if select(4, unique_of(redis.call('HGET', BOND, id))) ~= key then return nil end
  return letter, instant, id, record, held
end

local function hold(key, way, first, span, id)
  local ends = span ~= '' and first + span or 0
  redis.call('HSET', UNIQ, key, way .. string.format('%.0f %.0f ', first, ends) .. id)
  if ends > 0 then redis.call('ZADD', LAPSE, ends, key) else redis.call('ZREM', LAPSE, key) end
end

local function due_of(b)
  local due = ARGV[b + 1]
  if due == '' then return now end
  if string.byte(due) == 43 then return now + string.sub(due, 2) end
  return tonumber(due)
end

-- Letter and instant of a job that is stored; `record` is that of one which has expired under its id, or false.
local function make(b, id, record)
  if ARGV[b + 4] ~= '' then redis.call('HSET', BOND, id, ARGV[b + 4]) end
  local letters, instants = put(b, 1, {id}, {record}, place, now)
  if letters == '' then return 'Q', now end
  return string.upper(letters), tonumber(instants)
end

local function reschedule(id, record, due)
  local queue = queue_of(record)
  local k = place[queue]
  leave(queue, k, id)
  if due > now then
    push_due({[k] = {due, id}})
    return 'S', due
  end
  redis.call('ZADD', KEYS[k + RANK], (redis.call('HGET', MORE, id) or 0) * -1e13 + now, id)
  redis.call('ZADD', KEYS[k + WAKE], 0, '0')
  return 'Q', now
end

local function replace(b, id, record)
  local queue = queue_of(record)
  leave(queue, place[queue], id)
  for _, key in ipairs({STATE, CRASH, MORE, ASKED}) do redis.call('HDEL', key, id) end
  return make(b, id, false)
end

-- What came of a request for a key that is held: deed, letter, instant, id.
local function meet(b, way, conflict, span, key, letter, instant, id, record, held)
  if conflict == 'K' or (letter ~= 'S' and letter ~= 'Q') then return 'e', letter, instant, id end
  local _, first, ends = hold_of(held)
  local due = due_of(b)
  if tonumber(ends) > 0 then due = math.min(due, tonumber(ends)) end
  if conflict == 'R' then
    redis.call('HSET', UNIQ, key, held)
    letter, instant = reschedule(id, record, due)
    return 'r', letter, instant, id
  end
  hold(key, way, tonumber(first), span, id)
  ARGV[b + 1] = string.format('%.0f', due)
  letter, instant = replace(b, id, record)
  return 'p', letter, instant, id
end

local function enqueue(b)
  local id = ARGV[b + 2]
  local record = redis.call('HGET', JOBS, id)
  local letter, instant
  if record then letter, instant = standing(id, record, place, now) end
  if letter then return 'e', letter, instant, id end
  local way, conflict, span, key = unique_of(ARGV[b + 4])
  if key then
    local state, ready, held_by, of, held = holder(key)
    if state then return meet(b, way, conflict, span, key, state, ready, held_by, of, held) end
    hold(key, way, now, span, id)
  end
  letter, instant = make(b, id, record)
  return 'c', letter, instant, id
end

local answer, kept = {now}, {turn .. ' ' .. string.format('%.0f', now) .. '\n'}
for i = 1, n do
  local deed, letter, instant, id = enqueue(at + 5 * (i - 1))
  instant = string.format('%.0f', instant)
  for _, value in ipairs({deed, letter, instant, id}) do answer[#answer + 1] = value end
  kept[#kept + 1] = deed .. letter .. instant .. ' ' .. #id .. ':' .. id
end
free_lapsed(now, 100 + n)
if turn ~= '' then redis.call('SET', SENT, table.concat(kept), 'PX', 600000) end
return answer
