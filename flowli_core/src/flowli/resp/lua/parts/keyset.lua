-- Byte order, as sorted sets have it: `<` of strings follows the server's locale.
local function is_before(a, b)
  local n = math.min(#a, #b)
  for i = 1, n do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- The rank of the first element behind (score, member), whether that one is still there or not.
local function behind(key, score, member)
  local stands = redis.call('ZSCORE', key, member)
  if stands and tonumber(stands) == tonumber(score) then return redis.call('ZRANK', key, member) + 1 end
  local low = redis.call('ZCOUNT', key, '-inf', '(' .. score)
  local high = redis.call('ZCOUNT', key, '-inf', score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if is_before(member, redis.call('ZRANGE', key, middle, middle)[1]) then high = middle else low = middle + 1 end
  end
  return low
end
