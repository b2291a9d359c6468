-- These jobs are leased no more: what they held is free, and what is parked there is looked at by the next claim. Answers
-- with the queue of the first that is parked, of each place.
local function give_back(ids, queues)
  local bonds = fetch(BOND, ids)
  for i = 1, #ids do
    for _, need in ipairs(needs_of(bonds[i]) or {}) do
      if redis.call('HINCRBY', HELD, need.place, -need.weight) <= 0 then redis.call('HDEL', HELD, need.place) end
      local member, _, queue = first_parked(need.place)
      if member then
        redis.call('ZADD', REOPEN, 0, need.place)
        queues[queue] = true
      end
    end
  end
end
