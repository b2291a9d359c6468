-- Storing of new jobs: ARGV holds queue number, due ('' at once, '+ms' from now, or an instant), id, record for each, and
-- in a script for jobs with bonds these: `step` is how many.
local function ids_at(at, n, step)
  local ids = {}
  for i = 1, n do ids[i] = ARGV[at + step * (i - 1) + 2] end
  return ids
end

-- Whether these are more, or one of them is longer, than any producer may send: 8 MiB, and room for head and codec.
local function too_large(at, n, step)
  if n > 1000 then return true end
  for i = 1, n do if #ARGV[at + step * (i - 1) + 3] > 8454144 then return true end end
  return false
end

-- Names of queues that hold one of these ids and whose keys were not declared: the caller comes again with them.
local function undeclared(records, place, names)
  for i = 1, #records do
    if records[i] then
      local queue = queue_of(records[i])
      if not place[queue] then names[#names + 1] = queue end
    end
  end
  return names
end

-- Whether the job may be kept for others beyond its expiry. It has no instant in front, and never stands in a line.
local function is_marked(record) return string.sub(record, 2, 14) == '9999999999999' end

-- Letter and instant of a job that has a record; nothing when it has expired. One that may be kept for others stands until
-- it is swept.
local function standing(id, record, place, now)
  if redis.call('HEXISTS', ACTIVE, id) == 1 then return 'A', 0 end
  local letter, expiry = ending(redis.call('HGET', STATE, id))
  if not letter then return waiting(id, record, place[queue_of(record)]) end
  if expiry > now or is_marked(record) then return letter, 0 end
end

local function bury(id, record, place)
  local k = place[queue_of(record)]
  redis.call('ZREM', KEYS[k + DONE], id)
  redis.call('ZREM', KEYS[k + FAIL], id)
  redis.call('ZREM', KEYS[k + GONE], id)
  redis.call('HDEL', STATE, id)
  redis.call('HDEL', CRASH, id)
  redis.call('HDEL', MORE, id)
  redis.call('HDEL', BOND, id)
end

local function add(lists, k, a, b)
  local list = lists[k]
  if not list then list = {} lists[k] = list end
  list[#list + 1] = a
  list[#list + 1] = b
end

-- The line is a sorted run: after a clock stepped back, what would come behind a later element goes to the rank.
local function push_lines(lines, ranks, now)
  local stamp = string.format('%013.0f', now)
  for k, ids in pairs(lines) do
    local tail = redis.call('LINDEX', KEYS[k + LINE], -1)
    if tail and tonumber(string.sub(tail, 1, 13)) > now then
      for i = 1, #ids do add(ranks, k, now, ids[i]) end
    else
      for i = 1, #ids do ids[i] = stamp .. ids[i] end
      many('RPUSH', KEYS[k + LINE], ids)
    end
    redis.call('ZADD', KEYS[k + WAKE], 0, '0')
  end
end

local function push_due(dues)
  for k, list in pairs(dues) do
    local head = redis.call('ZRANGE', KEYS[k + DUE], 0, 0, 'WITHSCORES')[2]
    local first = list[1]
    for i = 3, #list, 2 do if list[i] < first then first = list[i] end end
    many('ZADD', KEYS[k + DUE], list)
    if not head or first < tonumber(head) then redis.call('ZADD', KEYS[k + WAKE], 0, '0') end
  end
end

-- Stores n jobs and says for each a letter (small: created) and an instant; empty strings if all were new and queued.
-- `enters` has of those that are put elsewhere than into the line and the rank, when they are ready, the way to do it.
local function put(at, n, step, ids, records, place, now, marked, enters)
  local set, more, stale, seen, letters, instants, touched = {}, {}, {}, {}, {}, {}, {}
  local lines, ranks, dues, plain = {}, {}, {}, true
  local head = marked and '19999999999999' or '1' .. string.format('%013.0f', now)
  for i = 1, n do
    local id, b, letter, instant = ids[i], at + step * (i - 1), nil, nil
    if seen[id] then letter, instant = string.upper(letters[seen[id]]), instants[seen[id]]
    elseif records[i] then
      letter, instant = standing(id, records[i], place, now)
      if not letter then stale[#stale + 1] = i end
    end
    if not letter then
      local k, due, record = FIXED + STRIDE * (ARGV[b] - 1), ARGV[b + 1], ARGV[b + 3]
      local priority = string.byte(record) - 48
      set[#set + 1] = id
      set[#set + 1] = head .. record
      if priority > 0 then more[#more + 1] = id more[#more + 1] = priority end
      touched[ARGV[b]] = k
      letter, instant, seen[id] = 'q', now, i
      if due ~= '' then
        if string.byte(due) == 43 then due = now + string.sub(due, 2) else due = tonumber(due) end
        if due > now then letter, instant = 's', due end
      end
      if letter == 's' then add(dues, k, due, id)
      elseif enters and enters[i] then
        enters[i](ARGV[2 + ARGV[b]], priority, now, id)
        redis.call('ZADD', KEYS[k + WAKE], 0, '0')
      elseif priority > 0 or marked then add(ranks, k, priority * -1e13 + now, id)
      else
        local list = lines[k]
        if not list then list = {} lines[k] = list end
        list[#list + 1] = id
      end
    end
    letters[i], instants[i] = letter, instant
    if letter ~= 'q' then plain = false end
  end
  many('HSET', JOBS, set)
  for i = 1, #stale do bury(ids[stale[i]], records[stale[i]], place) end
  many('HSET', MORE, more)
  push_lines(lines, ranks, now)
  for k, list in pairs(ranks) do
    many('ZADD', KEYS[k + RANK], list)
    redis.call('ZADD', KEYS[k + WAKE], 0, '0')
  end
  push_due(dues)
  for q in pairs(touched) do
    if redis.call('HSETNX', QUEUES, ARGV[2 + q], '') == 1 then redis.call('ZADD', CALL, 0, '0') end
  end
  if plain then return '', '' end
  for i = 1, n do instants[i] = string.format('%.0f', instants[i]) end
  return table.concat(letters), table.concat(instants, ',')
end
