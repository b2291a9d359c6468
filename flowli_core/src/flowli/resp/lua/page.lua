-- Ids of one queue's scheduled or terminal jobs, behind (score, id).
-- KEYS: | due done fail gone
-- ARGV: now|'' | 0 | S, C, F or X | limit | score|'' | id
-- Returns: id, score of each
-- USES: clock keyset
local now = clock(ARGV[1])
local key = KEYS[FIXED + ({S = DUE, C = DONE, F = FAIL, X = GONE})[ARGV[3]]]
local from = 0
if ARGV[3] ~= 'S' then from = redis.call('ZCOUNT', key, '-inf', now) end
if ARGV[5] ~= '' then from = math.max(from, behind(key, ARGV[5], ARGV[6])) end
return redis.call('ZRANGE', key, from, from + ARGV[4] - 1, 'WITHSCORES')
