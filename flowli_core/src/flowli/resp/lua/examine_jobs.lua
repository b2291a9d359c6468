-- Look at one step of the records, or at the ids given, and say what contradicts what. Writes nothing.
-- KEYS: jobs state active fence queues kids open round bond more park move | line rank due lease done fail gone
-- ARGV: now|'' | number of queues, names | cursor, or '' for ids | count | ids
-- Returns: {cursor, records met, their bytes, id, queue, fault of each that has one}, or {'again', queue..}
--   The fault `line`: is to stand in the line, which only a look at ids searches.
-- USES: clock batch stand stamps whole fields needs rounds families bonds
local now = clock(ARGV[1])
local at = 3 + ARGV[2]
local cursor = ARGV[at]
local ids, records, queues, bytes = {}, {}, {}, 0
if cursor == '' then
  for i = at + 2, #ARGV do ids[#ids + 1] = ARGV[i] end
  records = fetch(JOBS, ids)
else
  local found = redis.call('HSCAN', JOBS, cursor, 'COUNT', ARGV[at + 1])
  cursor = found[1]
  for i = 1, #found[2], 2 do
    ids[#ids + 1] = found[2][i]
    records[#records + 1] = found[2][i + 1]
  end
end
local place, again = places(), {'again'}
for i = 1, #ids do
  if records[i] then
    bytes = bytes + #records[i]
    queues[i] = queue_if_whole(records[i])
    if queues[i] and not place[queues[i]] then again[#again + 1] = queues[i] end
  end
end
if #again > 1 then return again end

local states, tokens = fetch(STATE, ids), fetch(ACTIVE, ids)
local fence = tonumber(redis.call('GET', FENCE) or 0)

local function is_in_line(k, id, stamp)
  local line = KEYS[k + LINE]
  local from = first_at(line, tonumber(stamp))
  for _ = 1, 100 do
    local part = redis.call('LRANGE', line, from, from + 199)
    for j = 1, #part do
      if part[j] == stamp .. id then return true end
      if string.sub(part[j], 1, 13) > stamp then return false end
    end
    if #part < 200 then return false end
    from = from + 200
  end
  return true
end

-- What is kept for children is looked at again by the sweeps, and so are those that were.
local function fault_of_ended(letter, expiry, kept, ended, elsewhere, is_kept)
  if elsewhere or ended > 1 or (ended == 1 and not kept) then return 'several-places' end
  if not kept then return 'no-expiry' end
  kept = tonumber(kept)
  if kept ~= expiry and (kept < expiry or (kept > now + 60000 and not is_kept)) then return 'other-expiry' end
  if kept + 3600000 < now then return 'not-swept' end
end

local function waits_for_nobody(id)
  if redis.call('HEXISTS', OPEN, id) == 0 then return true end
  for _, parent in ipairs(texts(field_of(redis.call('HGET', BOND, id) or '', 'a') or '')) do
    if redis.call('HEXISTS', JOBS, parent) == 1 and not ending(redis.call('HGET', STATE, parent)) then return false end
  end
  return true
end

-- Whether what wakes a job that waits under a limit knows it.
local function is_parked(queue, id, ready)
  if redis.call('ZSCORE', MOVE, moved_as(queue, id)) then return true end
  local rank = rank_of(tonumber(redis.call('HGET', MORE, id) or 0), ready)
  for _, need in ipairs(needs_of(redis.call('HGET', BOND, id)) or {}) do
    if redis.call('ZSCORE', PARK, parked_as(need.place, rank, queue, id))
      or redis.call('ZSCORE', PARK, parked_as(whole_of(need.place), rank, queue, id)) then return true end
  end
  return false
end

local function fault_of(i)
  local id, state, token = ids[i], states[i], tokens[i]
  if not queues[i] then return 'record-damaged' end
  if state and not string.match(state, '^[CFXSQ]%d+ %d+\n') then return 'state-damaged' end
  local k, score = place[queues[i]], {}
  for _, name in ipairs({DUE, RANK, LEASE, DONE, FAIL, GONE}) do
    score[name] = redis.call('ZSCORE', KEYS[k + name], id) or nil
  end
  local waits = (score[DUE] and 1 or 0) + (score[RANK] and 1 or 0)
  local ended = (score[DONE] and 1 or 0) + (score[FAIL] and 1 or 0) + (score[GONE] and 1 or 0)
  local letter, expiry = ending(state)
  if letter then
    local kept = score[({C = DONE, F = FAIL, X = GONE})[letter]]
    return fault_of_ended(letter, expiry, kept, ended, token or score[LEASE] or waits > 0, redis.call('HEXISTS', KIDS, id) == 1)
  end
  if redis.call('HEXISTS', QUEUES, queues[i]) == 0 then return 'unknown-queue' end
  if ended > 0 or waits > 1 or (waits > 0 and (token or score[LEASE])) then return 'several-places' end
  if token and not score[LEASE] then return 'no-deadline' end
  if score[LEASE] and not token then return 'no-token' end
  if token and not (tonumber(token) and tonumber(token) <= fence) then return 'token-above-fence' end
  if tonumber(score[DUE] or 0) >= NEVER and waits_for_nobody(id) then return 'never-due' end
  if score[DUE] and tonumber(score[DUE]) >= FAR and tonumber(score[DUE]) < 9e15
    and not is_parked(queues[i], id, tonumber(score[DUE]) - FAR) then
    return 'never-woken'
  end
  local has_turn = redis.call('HEXISTS', ROUND, 'j' .. id) == 1
  if has_turn and (token or waits > 0) then return 'several-places' end
  if token or waits > 0 or has_turn then return nil end
  if cursor ~= '' then return 'line' end
  if not is_in_line(k, id, string.sub(records[i], 2, 14)) then return 'unreachable' end
end

local out = {cursor, #ids, bytes}
for i = 1, #ids do
  local fault = records[i] and fault_of(i)
  if fault then
    out[#out + 1] = ids[i]
    out[#out + 1] = queues[i] or ''
    out[#out + 1] = fault
  end
end
return out
