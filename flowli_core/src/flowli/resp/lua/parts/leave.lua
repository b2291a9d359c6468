-- Takes a job that waits out of its place; the letter of the state that it had.
local function leave(queue, k, id)
  if redis.call('ZREM', KEYS[k + DUE], id) == 1 then return 'S' end
  if redis.call('ZREM', KEYS[k + RANK], id) == 0 then
    lay_ghost(queue, id, 1)
    trim(KEYS[k + LINE], queue)
  end
  return 'Q'
end
