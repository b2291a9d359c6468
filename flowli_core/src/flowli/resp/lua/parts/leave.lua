-- Takes a job that waits out of its place; the letter of the state that it had.
local function leave(queue, k, id)
  local due = redis.call('ZSCORE', KEYS[k + DUE], id)
  if due then
    redis.call('ZREM', KEYS[k + DUE], id)
    if tonumber(due) >= FAR and tonumber(due) < 9e15 then unpark(queue, id, tonumber(due) - FAR) end
    return 'S'
  end
  if redis.call('ZREM', KEYS[k + RANK], id) == 0 and not cancel_turn(queue, id) then
    lay_ghost(queue, id, 1)
    trim(KEYS[k + LINE], queue)
  end
  return 'Q'
end
