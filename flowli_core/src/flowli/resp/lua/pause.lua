-- Change what is paused, and wake who waits for a queue that no longer is. The first write is a deletion.
-- KEYS: none pause | wake
-- ARGV: now|'' | number of queues, names | + pause, ~ resume next, - resume | 'q' or 'j' and name, each
-- Returns: nothing
-- A name that is being resumed stands as '~' until all that was set aside for it is back: it is paused for nobody.
-- USES: clock
local now = string.format('%.0f', clock(ARGV[1]))
local at = 3 + ARGV[2]
redis.call('DEL', NONE)
for i = at + 1, #ARGV do
  local stands = redis.call('HGET', PAUSE, ARGV[i])
  if ARGV[at] == '-' then redis.call('HDEL', PAUSE, ARGV[i])
  elseif ARGV[at] == '~' then
    if stands then redis.call('HSET', PAUSE, ARGV[i], '~') end
  elseif not stands or stands == '~' then redis.call('HSET', PAUSE, ARGV[i], now) end
end
if ARGV[at] == '-' then
  for q = 1, tonumber(ARGV[2]) do redis.call('ZADD', KEYS[FIXED + STRIDE * (q - 1) + WAKE], 0, '0') end
end
