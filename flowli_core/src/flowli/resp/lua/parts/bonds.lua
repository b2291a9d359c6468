-- What ends with a job that is bound to others.

-- Of a child that waits: which act it was met by, and its parents, are put behind the others.
local function note_parents(rows, act, id)
  if redis.call('HEXISTS', OPEN, id) == 0 then return end
  rows[#rows + 1] = {act, field_of(redis.call('HGET', BOND, id) or '', 'a')}
end

-- How long the key is held (S until started, E until the end, L for its span alone), what becomes of the job that holds it
-- (K kept, P replaced, R rescheduled), the span or '', and the key; nothing without one.
local function unique_of(bonds)
  local text = bonds and field_of(bonds, 'u')
  if text then return string.match(text, '^(%a)(%a)(%d*) (.*)$') end
end

-- UNIQ holds of each key: how long it is held, the instant from which its span counts, the end of that or 0, and an id.
local function hold_of(text) return string.match(text, '^(%a)(%d+) (%d+) (.*)$') end

-- Whether a job is bound to nothing but what it draws on.
local function has_needs_alone(bonds)
  local size, from = string.match(bonds, '^l(%d+):()')
  return size and from + size - 1 == #bonds
end

local function free_key(id, key)
  local held = redis.call('HGET', UNIQ, key)
  if held and select(4, hold_of(held)) == id then
    redis.call('HDEL', UNIQ, key)
    redis.call('ZREM', LAPSE, key)
  end
end

local function free(id, bonds, unused)
  local way, _, _, key = unique_of(bonds)
  if key and (unused or way ~= 'L') then free_key(id, key) end
  local parents = field_of(bonds, 'a')
  if parents then let_go(id, parents) end
end

local function is_without_record(id, is_gone)
  if is_gone then return is_gone[id] end
  return redis.call('HEXISTS', JOBS, id) == 0
end

-- These jobs are over: what they held is free again. `unused` are such as were cancelled while they waited. What is kept may
-- be replayed, under the same limits and in the same turn; `gone` lists those of which nothing is, if that is known.
local function release(ids, bonds, unused, gone)
  local free_of, kept, is_gone = {}, {}, nil
  local all_gone = gone and #gone == #ids
  if gone and not all_gone then
    is_gone = {}
    for i = 1, #gone do is_gone[gone[i]] = true end
  end
  for i = 1, #ids do
    local id, lasting = ids[i], bonds[i]
    if lasting and not has_needs_alone(lasting) then
      free(id, lasting, unused)
      lasting = lasting_of(lasting)
    end
    if lasting then
      if all_gone or lasting == '' or is_without_record(id, is_gone) then free_of[#free_of + 1] = id
      elseif lasting ~= bonds[i] then
        kept[#kept + 1] = id
        kept[#kept + 1] = lasting
      end
    end
  end
  many('HDEL', BOND, free_of)
  many('HSET', BOND, kept)
end
