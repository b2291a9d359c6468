-- These jobs are leased no more: what they held is free, and what is parked there is looked at by the next claim. Answers
-- with the queue of the first that is parked, of each place.
local function give_back(ids, bonds, queues)
  local freed, at = {}, {}
  for i = 1, #ids do
    local needs = bonds[i] and needs_of(bonds[i]) or {}
    for j = 1, #needs do
      local need = needs[j]
      if freed[need.place] then freed[need.place] = freed[need.place] + need.weight
      else at[#at + 1], freed[need.place] = need.place, need.weight end
    end
  end
  local held, left, none = fetch(HELD, at), {}, {}
  for i = 1, #at do
    local rest = (held[i] or 0) - freed[at[i]]
    if rest > 0 then left[#left + 1] = at[i] left[#left + 1] = rest else none[#none + 1] = at[i] end
  end
  many('HSET', HELD, left)
  many('HDEL', HELD, none)
  if redis.call('EXISTS', PARK) == 0 then return end
  for i = 1, #at do
    local member, _, queue = first_parked(at[i])
    if member then
      redis.call('ZADD', REOPEN, 0, at[i])
      queues[queue] = true
    end
  end
end
