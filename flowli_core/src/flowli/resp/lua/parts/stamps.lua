-- The place of the first element of a line whose stamp is not before this one: a line is a run in the order of stamps.
local function first_at(line, stamp)
  local low, high = 0, redis.call('LLEN', line)
  while low < high do
    local middle = math.floor((low + high) / 2)
    local found = tonumber(string.sub(redis.call('LINDEX', line, middle), 1, 13))
    if found < stamp then low = middle + 1 else high = middle end
  end
  return low
end
