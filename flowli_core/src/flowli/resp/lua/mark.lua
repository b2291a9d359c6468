-- Write what changes nothing, so that who waits for its confirmation waits for all that was written before it.
-- KEYS: none meta |
-- ARGV: now|'' | number of queues (0)
-- Returns: 0 or 1
-- USES:
redis.call('DEL', NONE)
return redis.call('HSET', META, 'mark', '1')
