-- Read jobs by id.
-- KEYS: jobs state active crash kids | due rank lease
-- ARGV: now|'' | number of queues, names | B with bodies, H without, T terminal ones only | ids
-- Returns: for each nil (unknown), 0 (T: not terminal) or {letter, instant, lease, crash, state, record};
--   or {'again', queue..}
-- USES: clock batch stand
local now = clock(ARGV[1])
local at = 4 + ARGV[2]
local mode = ARGV[at - 1]
local ids, place, again, out = {}, places(), {'again'}, {}
for i = at, #ARGV do ids[#ids + 1] = ARGV[i] end
local records, tokens, states = fetch(JOBS, ids), fetch(ACTIVE, ids), fetch(STATE, ids)
-- A key that is named twice counts twice: one call tells the two cases.
local rare = redis.call('EXISTS', CRASH, KIDS, KIDS)
local crashes, kids = rare % 2 == 1 and fetch(CRASH, ids) or {}, rare > 1 and fetch(KIDS, ids) or {}
for i = 1, #ids do
  local id, record, letter, instant = ids[i], records[i], nil, nil
  out[i] = false
  if record then
    letter, instant = ending(states[i])
    if letter then
      if kids[i] then instant = 9e15 elseif instant <= now then record = nil end
    elseif mode == 'T' then record, out[i] = nil, 0
    else
      local queue = queue_of(record)
      local k = place[queue]
      if not k then record, again[#again + 1] = nil, queue
      elseif tokens[i] then letter, instant = 'A', tonumber(redis.call('ZSCORE', KEYS[k + LEASE], id))
      else letter, instant = waiting(id, record, k) end
    end
  end
  if record then
    if mode == 'H' then record = without_body(record) end
    out[i] = {letter, instant, tokens[i] or '', crashes[i] or '', states[i] or '', record}
  end
end
if #again > 1 then return again end
return out
