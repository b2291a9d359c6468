-- Frees up to n unique keys whose spans are over.
local function free_lapsed(now, n)
  local keys = redis.call('ZRANGEBYSCORE', LAPSE, '-inf', now, 'LIMIT', 0, n)
  if #keys == 0 then return end
  redis.call('ZREM', LAPSE, unpack(keys))
  redis.call('HDEL', UNIQ, unpack(keys))
end
