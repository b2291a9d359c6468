-- unpack() ends at 7,999 values, so lists go out in pieces of 4,000 (even, so that pairs stay together).
local function many(command, key, list)
  local n = #list
  for i = 1, n, 4000 do redis.call(command, key, unpack(list, i, math.min(i + 3999, n))) end
end

local function fetch(key, ids)
  local n = #ids
  if n == 0 then return {} end
  if n <= 4000 then return redis.call('HMGET', key, unpack(ids)) end
  local all = {}
  for i = 1, n, 4000 do
    local part = redis.call('HMGET', key, unpack(ids, i, math.min(i + 3999, n)))
    for j = 1, #part do all[i + j - 1] = part[j] end
  end
  return all
end
