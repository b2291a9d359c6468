-- Note a runner until an instant; forget runners whose instant has passed, turns of ten minutes ago, and unique keys whose
-- spans are over. The first write is a deletion.
-- KEYS: none runners alive last turns uniq lapse
-- ARGV: now|'' | 0 | id, alive until, note
-- Returns: nothing
-- USES: clock lapse
local now = clock(ARGV[1])
redis.call('DEL', NONE)
local dead = redis.call('ZRANGEBYSCORE', ALIVE, '-inf', now, 'LIMIT', 0, 100)
if #dead > 0 then
  redis.call('ZREM', ALIVE, unpack(dead))
  redis.call('HDEL', RUNNERS, unpack(dead))
end
local old = redis.call('ZRANGEBYSCORE', TURNS, '-inf', now - 600000, 'LIMIT', 0, 100)
if #old > 0 then
  redis.call('HDEL', LAST, unpack(old))
  redis.call('ZREM', TURNS, unpack(old))
end
free_lapsed(now, 1000)
if tonumber(ARGV[4]) > now then
  redis.call('ZADD', ALIVE, ARGV[4], ARGV[3])
  redis.call('HSET', RUNNERS, ARGV[3], ARGV[5])
else
  redis.call('ZREM', ALIVE, ARGV[3])
  redis.call('HDEL', RUNNERS, ARGV[3])
end
