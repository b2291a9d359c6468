-- What a claim draws on: read for a batch of jobs at once, kept as this claim leaves it, written once for each queue.
-- The server keeps a few short items as a list, through which it looks from the head for each of a batch. One long item
-- makes a table of it, which it stays until it is empty: so a batch brings one, and takes it out again.
local FEW, LONG = 16, string.rep('-', 80)
local known, read, closed, held, drawn, has_park = {}, 0, {}, {}, {}, nil

local function look_for_holds(places, now)
  local fields = {}
  for i = 1, #places do fields[i] = 'h' .. places[i] end
  for i, until_ in ipairs(fetch(RULE, fields)) do
    if tonumber(until_ or 0) > now then closed[places[i]] = true end
  end
end

-- Reads what is not known yet of all that these jobs draw on. A place that is closed has an alarm.
local function look_at(jobs, now)
  if has_park == nil then has_park = redis.call('EXISTS', PARK) == 1 end
  local places, wholes, n = {}, {}, 0
  for _, needs in pairs(jobs) do
    for at = 1, #needs do
      local need = needs[at]
      local limit = limit_of(need.place)
      local rule = known[limit]
      if not rule then
        rule = {whole = 'a' .. #limit .. ':' .. limit, limit = limit}
        known[limit], known[#known + 1] = rule, rule
        wholes[#wholes + 1] = rule.whole
      end
      need.of = rule
      if not held[need.place] then
        n = n + 1
        places[n], held[need.place] = need.place, 0
      end
    end
  end
  local counts = fetch(HELD, places)
  for i = 1, n do if counts[i] then held[places[i]] = tonumber(counts[i]) end end
  if redis.call('EXISTS', REOPEN) == 1 then
    look_for_holds(places, now)
    look_for_holds(wholes, now)
  end
  for i = read + 1, #known do
    local rule = known[i]
    local text = redis.call('HGET', RULE, 'r' .. rule.limit)
    if text then rule.at_once, rule.most, rule.span = rule_from(text) end
  end
  read = #known
end

-- The place under which a job that is ready has to be parked; nothing if it may be leased.
local function barred_by(needs, record, ready, queue, id, now)
  for at = 1, #needs do
    local need = needs[at]
    local place, weight, rule = need.place, need.weight, need.of
    if closed[rule.whole] then return rule.whole end
    if closed[place] then return place end
    local first, ahead = nil, nil
    if has_park then first, ahead = first_parked(place) end
    if first then
      local rank = rank_of(string.byte(record, 15) - 48, ready)
      if ahead < tonumber(rank) then return place end
      if ahead == tonumber(rank) and is_before(first, parked_as(place, rank, queue, id)) then return place end
    end
    if rule.at_once and held[place] > 0 and held[place] + weight > rule.at_once then return place end
    if rule.most and rule.span then
      local sum = used(place, rule.span, now)
      if sum > 0 and sum + weight > rule.most then return place end
    end
  end
end

local function draw(needs, now)
  for at = 1, #needs do
    local need = needs[at]
    local place, span = need.place, need.of.most and need.of.span
    held[place], drawn[place] = held[place] + need.weight, true
    if span then
      local _, _, total, last = used(place, span, now)
      expire(place, span, now)
      redis.call('ZADD', RATE, 0, start_as(place, math.max(now, last), total, need.weight))
      redis.call('ZADD', REOPEN, 'NX', now + span, place)
    end
  end
end

-- Has a job wait under a place, at the rank that it has among the ready.
local function park(queue, k, id, record, ready, needs, place, now)
  local rank = rank_of(string.byte(record, 15) - 48, ready)
  redis.call('ZADD', PARK, 0, parked_as(place, rank, queue, id))
  redis.call('ZADD', KEYS[k + DUE], FAR + ready, id)
  has_park = true
  if drawn[place] then redis.call('HSET', HELD, place, held[place]) end
  set_alarm(place, now, false)
  for _, need in ipairs(needs) do
    if need.place ~= place and first_parked(need.place) then redis.call('ZADD', REOPEN, 'LT', now, need.place) end
  end
end

-- Writes what was drawn, and forgets what was read: what comes next may change it.
local function write_drawn()
  local list, n = {}, 0
  for place in pairs(drawn) do
    list[n + 1], list[n + 2], n = place, held[place], n + 2
  end
  local is_many = n > 2 * FEW
  if is_many then list[n + 1], list[n + 2] = LONG, 0 end
  many('HSET', HELD, list)
  if is_many then redis.call('HDEL', HELD, LONG) end
  closed, held, drawn = {}, {}, {}
end
