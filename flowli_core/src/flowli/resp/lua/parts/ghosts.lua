-- A job leaves a line by id without a search: its element becomes a ghost, which whoever meets it takes out. Ghosts are
-- counted by queue and id (a deleted id that returns has its new element behind the old one), and in sum by queue.
local function ghost_field(queue, id) return #queue .. ':' .. queue .. id end

local function lay_ghost(queue, id, by)
  local one, sum = ghost_field(queue, id), ghost_field(queue, '')
  if redis.call('HINCRBY', GHOST, one, by) <= 0 then redis.call('HDEL', GHOST, one) end
  if redis.call('HINCRBY', GHOST, sum, by) <= 0 then redis.call('HDEL', GHOST, sum) end
end

local function is_ghost(queue, id) return redis.call('HEXISTS', GHOST, ghost_field(queue, id)) == 1 end

-- Takes out the ghosts at the head of a line, so that its head is a job; 500 at most.
local function trim(line, queue)
  for _ = 1, 500 do
    local head = redis.call('LINDEX', line, 0)
    if not head or not is_ghost(queue, string.sub(head, 14)) then return end
    redis.call('LPOP', line)
    lay_ghost(queue, string.sub(head, 14), -1)
  end
end
