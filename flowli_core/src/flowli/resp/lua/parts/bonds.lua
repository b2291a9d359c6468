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

-- These jobs are over: what they held is free again. `unused` are such as were cancelled while they waited.
local function release(ids, unused)
  local bonds = fetch(BOND, ids)
  for i = 1, #ids do
    local way, _, _, key = unique_of(bonds[i])
    local held = key and (unused or way ~= 'L') and redis.call('HGET', UNIQ, key)
    if held and select(4, hold_of(held)) == ids[i] then
      redis.call('HDEL', UNIQ, key)
      redis.call('ZREM', LAPSE, key)
    end
    local parents = bonds[i] and field_of(bonds[i], 'a')
    if parents then let_go(ids[i], parents) end
  end
  many('HDEL', BOND, ids)
  -- What is kept may be replayed, under the same limits and in the same turn.
  local kept = {}
  for i = 1, #ids do
    local lasting = bonds[i] and lasting_of(bonds[i]) or ''
    if lasting ~= '' and redis.call('HEXISTS', JOBS, ids[i]) == 1 then
      kept[#kept + 1] = ids[i]
      kept[#kept + 1] = lasting
    end
  end
  many('HSET', BOND, kept)
end
