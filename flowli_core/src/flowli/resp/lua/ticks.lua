-- Schedules whose instant has come, longest overdue first.
-- KEYS: plan tick
-- ARGV: now|'' | 0 | limit
-- Returns: key, schedule of each
-- USES: clock batch
local keys = redis.call('ZRANGEBYSCORE', TICK, '-inf', clock(ARGV[1]), 'LIMIT', 0, ARGV[3])
local stored, out = fetch(PLAN, keys), {}
for i = 1, #keys do
  if stored[i] then
    out[#out + 1] = keys[i]
    out[#out + 1] = stored[i]
  end
end
return out
