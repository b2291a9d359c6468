-- now in milliseconds (what the caller gave, or the store's clock) and the store's microseconds, read once.
local function clock(given)
  local t = redis.call('TIME')
  local us = t[1] * 1000000 + t[2]
  if given == '' then return math.floor(us / 1000), us end
  return tonumber(given), us
end
