-- Takes a job that is parked, or was moved and not claimed yet, out of PARK and MOVE.
local function unpark(queue, id, ready)
  local rank = rank_of(tonumber(redis.call('HGET', MORE, id) or 0), ready)
  for _, need in ipairs(needs_of(redis.call('HGET', BOND, id)) or {}) do
    redis.call('ZREM', PARK, parked_as(need.place, rank, queue, id))
    redis.call('ZREM', PARK, parked_as(whole_of(need.place), rank, queue, id))
  end
  redis.call('ZREM', MOVE, moved_as(queue, id))
end
