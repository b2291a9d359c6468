-- Keep house (hand back what lapsed, promote what is due, sweep what expired), then lease in order, or repeat a turn.
-- KEYS: first jobs state active fence crash more ghost last turns queues tick kids pause bond rule held park move rate reopen fair round | line rank due lease wake done fail gone
-- ARGV: now|'' | number of queues, names | want, lease span, byte budget, sender, turn, '1' for all queues
-- Returns: {now, first token or tokens, elements (13 digits, id), records, states, crashes,
--   recovered (id, deliveries, record without body), next instant|'', schedule instant|'', more,
--   number of queues known or 0, 1 if the turn was over before, queues whose runners are to be woken}
-- `first` is a key to delete before anything is written: a full store refuses a script that does not begin so.
-- USES: clock batch stand forget ghosts keyset fields needs give limits drawing rounds peek
local now, us = clock(ARGV[1])
local at = 3 + ARGV[2]
local want, span, room = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
local sender, turn, all = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5] == '1'
local has_state, has_crash, has_more, has_ghost, has_kids = false, false, false, false, false
local has_bond, has_rule, has_fair = false, false, false
-- What is paused: by 'q' or 'j' and name; nothing if there is no pause, and `stopped` too if there is none of a job name.
local paused, stopped
local rare = redis.call('EXISTS', STATE, CRASH, MORE, GHOST, PAUSE, BOND, RULE)
if rare > 0 then
  has_state = redis.call('EXISTS', STATE) == 1
  has_crash = redis.call('EXISTS', CRASH) == 1
  has_more = redis.call('EXISTS', MORE) == 1
  has_ghost = redis.call('EXISTS', GHOST) == 1
  has_kids = redis.call('EXISTS', KIDS) == 1
  has_bond = redis.call('EXISTS', BOND) == 1
  has_rule = redis.call('EXISTS', RULE) == 1
  has_fair = redis.call('EXISTS', FAIR) == 1
  for _, there in ipairs({has_state, has_crash, has_more, has_ghost, has_bond, has_rule}) do if there then rare = rare - 1 end end
  local names = rare > 0 and redis.call('HKEYS', PAUSE) or {}
  local since = fetch(PAUSE, names)
  for i = 1, #names do
    if since[i] ~= '~' then
      paused = paused or {}
      paused[names[i]] = true
      stopped = stopped or string.byte(names[i]) == 106
    end
  end
end
local waking, declared = {}, places()
local elements, records, states, crashes, recovered, act = {}, {}, {}, {}, {}, {}
local got, bytes, exact, full, left, top, first_token = 0, 0, false, false, false, nil, 0
local soon
local lease_ends = string.format('%.0f', now + span)

-- What comes next in an index, as the claim leaves it.
local function head_of(key)
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
  return head and tonumber(head)
end

local function look_ahead(head)
  if not head or head >= ASIDE then return end
  if head <= now then left = true end
  if not soon or head < soon then soon = head end
end

-- Puts jobs among the ready, each since its instant: those of a group have their turn.
local function make_ready(queue, k, ids, instants)
  local digits = has_more and fetch(MORE, ids) or {}
  local bonds = has_bond and fetch(BOND, ids) or {}
  local ranks = {}
  for i = 1, #ids do
    local group = bonds[i] and field_of(bonds[i], 'g')
    if group then
      enter_turn(queue, tonumber(digits[i] or 0), instants[i], group, ids[i])
      has_fair = true
    else
      ranks[#ranks + 1] = (digits[i] or 0) * -1e13 + instants[i]
      ranks[#ranks + 1] = ids[i]
    end
  end
  many('ZADD', KEYS[k + RANK], ranks)
end

local function hand_back(queue, k)
  local ids = redis.call('ZRANGEBYSCORE', KEYS[k + LEASE], '-inf', now, 'LIMIT', 0, 100)
  if #ids == 0 then return end
  redis.call('ZREMRANGEBYRANK', KEYS[k + LEASE], 0, #ids - 1)
  local stored, tokens, lapses = fetch(JOBS, ids), fetch(ACTIVE, ids), fetch(CRASH, ids)
  redis.call('HDEL', ACTIVE, unpack(ids))
  local counts, back, instants, held = {}, {}, {}, {}
  for i = 1, #ids do
    if tokens[i] then held[#held + 1] = ids[i] end
    if stored[i] then
      local count = (lapses[i] and string.match(lapses[i], '^%d+') or 0) + 1
      counts[#counts + 1] = ids[i]
      counts[#counts + 1] = count .. ':' .. (tokens[i] or '0')
      back[#back + 1], instants[#instants + 1] = ids[i], 0
      recovered[#recovered + 1] = ids[i]
      recovered[#recovered + 1] = count
      recovered[#recovered + 1] = without_body(stored[i])
    end
  end
  many('HSET', CRASH, counts)
  make_ready(queue, k, back, instants)
  if has_rule then give_back(held, fetch(BOND, held), waking) end
  -- What was leased from the queues before had none of these, and a list must not have holes.
  for i = #states + 1, got do states[i], crashes[i] = '', '' end
  has_crash = true
end

local function promote(queue, k)
  local due = redis.call('ZRANGEBYSCORE', KEYS[k + DUE], '-inf', now, 'WITHSCORES', 'LIMIT', 0, 500)
  if #due == 0 then return end
  redis.call('ZREMRANGEBYRANK', KEYS[k + DUE], 0, #due / 2 - 1)
  local ids, instants = {}, {}
  for i = 1, #due, 2 do ids[#ids + 1], instants[#instants + 1] = due[i], tonumber(due[i + 1]) end
  make_ready(queue, k, ids, instants)
end

-- Queues what was moved out of a limit's line, at the place that it had; what was cancelled since is no longer due.
local function arrive(queue, k)
  local q = moved_as(queue, '')
  local members = redis.call('ZRANGE', MOVE, '[' .. q, '(' .. q .. '\255', 'BYLEX', 'LIMIT', 0, 500)
  if #members == 0 then return end
  local ids, instants = {}, {}
  for i = 1, #members do
    local id = string.sub(members[i], #q + 1)
    local due = tonumber(redis.call('ZSCORE', KEYS[k + DUE], id) or 0)
    if due >= FAR and due < 9e15 then ids[#ids + 1], instants[#instants + 1] = id, due - FAR end
  end
  redis.call('ZREM', MOVE, unpack(members))
  if #ids == 0 then return end
  redis.call('ZREM', KEYS[k + DUE], unpack(ids))
  make_ready(queue, k, ids, instants)
end

-- Those of these ids that nobody needs any more; and the others, kept for children, with when to look at them again.
local function part_kept(ids)
  local kids, free, kept = fetch(KIDS, ids), {}, {}
  for i = 1, #ids do
    if kids[i] then
      kept[#kept + 1] = now + 60000
      kept[#kept + 1] = ids[i]
    else free[#free + 1] = ids[i] end
  end
  return free, kept
end

local function sweep(key)
  local ids = redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, 200)
  if #ids == 0 then return end
  local met, kept = #ids, {}
  if has_kids then ids, kept = part_kept(ids) end
  if #kept == 0 then redis.call('ZREMRANGEBYRANK', key, 0, met - 1) else many('ZREM', key, ids) end
  many('ZADD', key, kept)
  forget(ids)
  if has_bond then many('HDEL', BOND, ids) end
  if met == 200 and redis.call('ZCOUNT', key, '-inf', now) > 0 then left = true end
end

local function body_size(record) return #record - length_without_body(record) end

-- Whether one more record fits; whole records are counted until the budget seems spent, then bodies.
local function fits(record)
  local size = exact and body_size(record) or #record
  if not exact and bytes + size > room then
    exact, bytes, size = true, 0, body_size(record)
    for i = 1, got do bytes = bytes + body_size(records[i]) end
  end
  if got > 0 and bytes + size > room then return false end
  bytes = bytes + size
  return true
end

local function lease(queue, k)
  local ranked = redis.call('EXISTS', KEYS[k + RANK]) == 1
  local skipped, leases, taking, large, aside = 0, {}, 0, want - got > FEW, {}
  if large then leases, taking = {lease_ends, LONG}, 2 end
  while got < want and not full and skipped < 2000 do
    local els, of_rank, of_turn, after
    if has_fair then els, of_rank, of_turn, after = peek_in_turn(queue, k, math.min(want - got, 16), ranked)
    else
      els, of_rank = peek(k, math.min(want - got, 16), ranked)
      of_turn = {}
    end
    local n, ids, spent, met, turns = #els, {}, 0, {}, 0
    if n == 0 then break end
    for i = 1, n do ids[i] = string.sub(els[i], 14) end
    local stored = redis.call('HMGET', JOBS, unpack(ids))
    local bonds = has_rule and has_bond and redis.call('HMGET', BOND, unpack(ids)) or {}
    local drawing = {}
    for i = 1, n do if bonds[i] and stored[i] then drawing[i] = needs_of(bonds[i]) end end
    if next(drawing) then look_at(drawing, now) end
    local taken, t = {}, 0
    for i = 1, n do
      local id, record, skip = ids[i], stored[i], not stored[i]
      if has_ghost and not of_rank[i] and not of_turn[i] and is_ghost(queue, id) then
        skip = true
        lay_ghost(queue, id, -1)
      end
      if stopped and not skip and paused['j' .. name_of(record)] then
        aside[#aside + 1] = ASIDE + string.sub(els[i], 1, 13)
        aside[#aside + 1], skip = id, true
      end
      local needs = not skip and drawing[i]
      local ready = needs and tonumber(string.sub(els[i], 1, 13))
      local bar = needs and barred_by(needs, record, ready, queue, id, now)
      if skip then skipped = skipped + 1
      elseif bar then
        park(queue, k, id, record, ready, needs, bar, now)
        skip, skipped = true, skipped + 4
      elseif not exact and bytes + #record <= room then bytes, t = bytes + #record, t + 1
      elseif fits(record) then t = t + 1
      else full = true break end
      if not skip then
        if not top then
          top = math.max(tonumber(redis.call('GET', FENCE) or 0), us - 1)
          first_token = top + 1
        end
        top, got = top + 1, got + 1
        act[2 * got - 1], act[2 * got] = id, top
        leases[taking + 1], leases[taking + 2], taking = lease_ends, id, taking + 2
        elements[got], records[got], taken[t] = els[i], record, id
        if needs then draw(needs, now) end
      end
      spent = i
      if of_rank[i] then met[#met + 1] = id elseif of_turn[i] then turns = turns + 1 end
    end
    if #met > 0 then redis.call('ZREMRANGEBYRANK', KEYS[k + RANK], 0, #met - 1) end
    if spent > #met + turns then redis.call('LTRIM', KEYS[k + LINE], spent - #met - turns, -1) end
    if after then take_turns(queue, spent, of_turn, after) end
    if t > 0 and (has_state or has_crash) then
      local base = got - t
      local st = has_state and redis.call('HMGET', STATE, unpack(taken)) or {}
      local cr = has_crash and redis.call('HMGET', CRASH, unpack(taken)) or {}
      for i = 1, t do states[base + i], crashes[base + i] = st[i] or '', cr[i] or '' end
    end
  end
  if has_rule then write_drawn() end
  many('ZADD', KEYS[k + DUE], aside)
  if large and taking == 2 then return end
  many('ZADD', KEYS[k + LEASE], leases)
  if large then redis.call('ZREM', KEYS[k + LEASE], LONG) end
end

-- Whether a queue has something ready; a token for the next idle runner says so.
local function mark(queue, k)
  local ready = redis.call('EXISTS', KEYS[k + LINE], KEYS[k + RANK])
  if ready > 0 and has_ghost then
    trim(KEYS[k + LINE], queue)
    ready = redis.call('LLEN', KEYS[k + LINE]) + redis.call('ZCARD', KEYS[k + RANK])
      - (redis.call('HGET', GHOST, ghost_field(queue, '')) or 0)
  end
  if ready <= 0 or paused and paused['q' .. queue] then redis.call('ZREM', KEYS[k + WAKE], '0') return end
  left = true
  redis.call('ZADD', KEYS[k + WAKE], 0, '0')
end

-- What the sender's last turn leased and still holds, each for the span of this call at least.
local function again(token, lengths, joined)
  local tokens, ids, els, from = {}, {}, {}, 1
  for length in string.gmatch(lengths, '%d+') do
    els[#els + 1] = string.sub(joined, from, from + length - 1)
    ids[#ids + 1] = string.sub(els[#els], 14)
    from = from + length
  end
  local held, stored = fetch(ACTIVE, ids), fetch(JOBS, ids)
  local st, cr, place = fetch(STATE, ids), fetch(CRASH, ids), places()
  for i = 1, #ids do
    local own = string.format('%.0f', token + i - 1)
    if held[i] == own and stored[i] then
      got = got + 1
      tokens[got], elements[got], records[got] = token + i - 1, els[i], stored[i]
      states[got], crashes[got] = st[i] or '', cr[i] or ''
      local k = place[queue_of(stored[i])]
      if k then redis.call('ZADD', KEYS[k + LEASE], 'XX', 'GT', now + span, ids[i]) end
    end
  end
  first_token = tokens
end

local function remember()
  local lengths = {}
  for i = 1, got do lengths[i] = #elements[i] end
  redis.call('HSET', LAST, sender, turn .. ' ' .. string.format('%.0f', first_token) .. ' '
    .. table.concat(lengths, ',') .. '\n' .. table.concat(elements))
  redis.call('ZADD', TURNS, now, sender)
end

local previous = redis.call('HGET', LAST, sender) or ''
local number, token, lengths, joined = string.match(previous, '^(%d+) (%d+) ([%d,]*)\n(.*)$')
local is_repeat = number and tonumber(number) >= tonumber(turn)
if is_repeat then want = 0 end
if all or has_ghost or has_rule or has_fair or want == 0 then redis.call('DEL', FIRST) end
if has_rule then
  for q = 1, tonumber(ARGV[2]) do
    local k = FIXED + STRIDE * (q - 1)
    local ends = head_of(KEYS[k + LEASE])
    if ends and ends <= now then hand_back(ARGV[2 + q], k) end
  end
  for _, place in ipairs(redis.call('ZRANGEBYSCORE', REOPEN, '-inf', now, 'LIMIT', 0, 100)) do
    admit(place, now, waking)
  end
end
for q = 1, tonumber(ARGV[2]) do
  local k = FIXED + STRIDE * (q - 1)
  local ends, due = head_of(KEYS[k + LEASE]), head_of(KEYS[k + DUE])
  if ends and ends <= now then
    hand_back(ARGV[2 + q], k)
    ends = head_of(KEYS[k + LEASE])
  end
  if due and due <= now then
    promote(ARGV[2 + q], k)
    due = head_of(KEYS[k + DUE])
  end
  if redis.call('EXISTS', KEYS[k + DONE], KEYS[k + FAIL], KEYS[k + GONE]) > 0 then
    sweep(KEYS[k + DONE])
    sweep(KEYS[k + FAIL])
    sweep(KEYS[k + GONE])
  end
  if has_rule then arrive(ARGV[2 + q], k) end
  local before = got
  if got < want and not full and not (paused and paused['q' .. ARGV[2 + q]]) then lease(ARGV[2 + q], k) end
  mark(ARGV[2 + q], k)
  if got > before and (not ends or ends > now + span) then ends = now + span end
  look_ahead(due)
  look_ahead(ends)
end
if is_repeat then
  if number == turn then again(tonumber(token), lengths, joined) end
else
  if got > 0 then
    if got > FEW then act[2 * got + 1], act[2 * got + 2] = LONG, '' end
    many('HSET', ACTIVE, act)
    if got > FEW then redis.call('HDEL', ACTIVE, LONG) end
    redis.call('SET', FENCE, string.format('%.0f', top))
  end
  -- A turn that took nothing is closed only by a call that may take nothing: a waiting call comes again under its turn.
  if got > 0 or want == 0 then remember() end
end
if has_rule and redis.call('EXISTS', PARK) == 1 then look_ahead(head_of(REOPEN)) end
local names = {}
for queue in pairs(waking) do
  if not declared[queue] then names[#names + 1] = queue end
end
local tick = redis.call('ZRANGE', TICK, 0, 0, 'WITHSCORES')[2] or ''
return {
  now, first_token, elements, records, states, crashes, recovered, soon and string.format('%.0f', soon) or '', tick,
  left and 1 or 0, all and redis.call('HLEN', QUEUES) or 0, is_repeat and 1 or 0, names,
}
