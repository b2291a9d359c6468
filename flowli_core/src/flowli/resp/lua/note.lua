-- Keep a note of an act, or replace its body; drop what has expired, and all but the last ones.
-- The first write is a deletion.
-- KEYS: none audit noted
-- ARGV: now|'' | 0 | id, body, keep for, most
-- Returns: nothing
-- USES: clock batch
local now = clock(ARGV[1])
redis.call('DEL', NONE)
local id = ARGV[3]
local at = tonumber(redis.call('ZSCORE', NOTED, id) or now)
redis.call('ZADD', NOTED, at, id)
redis.call('HSET', AUDIT, id, string.format('%.0f', at + ARGV[5]) .. '\n' .. ARGV[4])
local old = redis.call('ZCOUNT', NOTED, '-inf', now - ARGV[5])
local drop = math.max(old, redis.call('ZCARD', NOTED) - ARGV[6])
if drop > 0 then
  many('HDEL', AUDIT, redis.call('ZRANGE', NOTED, 0, drop - 1))
  redis.call('ZREMRANGEBYRANK', NOTED, 0, drop - 1)
end
