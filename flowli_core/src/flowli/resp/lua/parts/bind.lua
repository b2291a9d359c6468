-- Storing of jobs of which some are bound to others: each has queue number, due, id, record and bonds in ARGV.

-- Names of queues that these jobs may meet and whose keys were not declared: of those with their ids, and of those that
-- hold their unique keys.
local function undeclared_bound(at, n, place, names)
  local ids, keys = {}, {}
  for i = 1, n do
    local b = at + 5 * (i - 1)
    ids[i] = ARGV[b + 2]
    local _, _, _, key = unique_of(ARGV[b + 4])
    keys[#keys + 1] = key
  end
  for _, held in ipairs(fetch(UNIQ, keys)) do
    if held then ids[#ids + 1] = select(4, hold_of(held)) end
  end
  return undeclared(fetch(JOBS, ids), place, names)
end

-- A function that stores the job at a place of ARGV and says what came of it: c made, e stands, p replaced, r rescheduled;
-- then letter of its state or '-', instant, id of the job that stands for it. What one job does, the next one meets.
local function binder(place, now)
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

  -- Keeps the records of its parents for a new job; how many of them are still to end.
  local function found_family(id, parents)
    local kids, open, set = fetch(KIDS, parents), 0, {}
    for i = 1, #parents do
      if redis.call('HEXISTS', JOBS, parents[i]) == 1 then
        local letter, expiry = ending(redis.call('HGET', STATE, parents[i]))
        if not letter then open = open + 1 end
        if not letter or expiry > now or kids[i] then
          set[#set + 1] = parents[i]
          set[#set + 1] = (kids[i] or '') .. #id .. ':' .. id
        end
      end
    end
    many('HSET', KIDS, set)
    if open > 0 then redis.call('HSET', OPEN, id, open) end
    return open
  end

  -- Letter and instant of a job that is stored; `record` is that of one which has expired under its id, or false.
  local met = {}
  local function make(b, id, record)
    local bonds = ARGV[b + 4]
    local list = field_of(bonds, 'a')
    if record then bury(id, record, place) end
    if list and list ~= '' then ARGV[b + 1] = found_family(id, texts(list)) > 0 and NEVER or '' end
    if bonds ~= '' and bonds ~= 'a0:' then redis.call('HSET', BOND, id, bonds) else redis.call('HDEL', BOND, id) end
    learn(bonds, met)
    local letters, instants = put(b, 1, 5, {id}, {false}, place, now, list, {in_turn_by(bonds)})
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
    local priority, enter = redis.call('HGET', MORE, id) or 0, in_turn_by(redis.call('HGET', BOND, id))
    if enter then enter(queue, priority, now, id)
    else redis.call('ZADD', KEYS[k + RANK], priority * -1e13 + now, id) end
    redis.call('ZADD', KEYS[k + WAKE], 0, '0')
    return 'Q', now
  end

  -- `key` is that under which it is replaced: one of its own that is another is free.
  local function replace(b, id, record, key)
    local queue = queue_of(record)
    leave(queue, place[queue], id)
    local bonds = redis.call('HGET', BOND, id) or ''
    local parents, _, _, _, own = field_of(bonds, 'a'), unique_of(bonds)
    if own and own ~= key then free_key(id, own) end
    if parents then let_go(id, parents) end
    for _, key in ipairs({STATE, CRASH, MORE, ASKED}) do redis.call('HDEL', key, id) end
    return make(b, id, false)
  end

  -- What came of a request for a key that is held: deed, letter, instant, id.
  local function meet(b, way, conflict, span, key, letter, instant, id, record, held)
    if conflict == 'K' or (letter ~= 'S' and letter ~= 'Q') then return 'e', letter, instant, id end
    if conflict == 'R' and instant >= NEVER then return 'e', letter, instant, id end
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
    letter, instant = replace(b, id, record, key)
    return 'p', letter, instant, id
  end

  local function enqueue(b)
    local id = ARGV[b + 2]
    local record = redis.call('HGET', JOBS, id)
    local letter, instant
    if record then letter, instant = standing(id, record, place, now) end
    if letter and is_terminal(letter) and select(2, ending(redis.call('HGET', STATE, id))) <= now and not is_kept(id) then
      letter = nil
    end
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

  return enqueue
end

-- Stores at once jobs that hold no unique key and have no parents, and answers like the other way; nothing where one does.
local function bind_all(at, n, ids, place, now)
  local enters, met = {}, {}
  for i = 1, n do
    local bonds = ARGV[at + 5 * i - 1]
    if bounds_of(bonds, 'u') or bounds_of(bonds, 'a') then return nil end
    enters[i] = in_turn_by(bonds)
  end
  local letters, instants = put(at, n, 5, ids, fetch(JOBS, ids), place, now, nil, enters)
  local bound, free, outcomes = {}, {}, {}
  local at_instants = string.gmatch(instants, '%d+')
  for i = 1, n do
    local letter, bonds = letters == '' and 'q' or string.sub(letters, i, i), ARGV[at + 5 * i - 1]
    local is_new = string.lower(letter) == letter
    if is_new and bonds ~= '' then
      bound[#bound + 1] = ids[i]
      bound[#bound + 1] = bonds
      learn(bonds, met)
    elseif is_new then free[#free + 1] = ids[i] end
    outcomes[i] = {is_new and 'c' or 'e', string.upper(letter), at_instants() or now, ids[i]}
  end
  many('HSET', BOND, bound)
  many('HDEL', BOND, free)
  return outcomes
end
