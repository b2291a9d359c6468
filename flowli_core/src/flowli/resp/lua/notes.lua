-- Notes of acts, the latest first, behind (instant, id). Those that have expired are the oldest.
-- KEYS: audit noted
-- ARGV: now|'' | 0 | limit | instant|'' | id
-- Returns: id, instant, body of each
-- USES: clock batch keyset
local now, out = clock(ARGV[1]), {}
local to = redis.call('ZCARD', NOTED)
if ARGV[4] ~= '' then
  to = behind(NOTED, ARGV[4], ARGV[5])
  local stands = redis.call('ZSCORE', NOTED, ARGV[5])
  if stands and tonumber(stands) == tonumber(ARGV[4]) then to = to - 1 end
end
if to == 0 then return out end
local found = redis.call('ZRANGE', NOTED, math.max(to - ARGV[3], 0), to - 1, 'WITHSCORES')
for i = #found - 1, 1, -2 do
  local stored = redis.call('HGET', AUDIT, found[i]) or ''
  local expiry, body = string.match(stored, '^(%d+)\n(.*)$')
  if expiry and tonumber(expiry) > now then
    out[#out + 1] = found[i]
    out[#out + 1] = found[i + 1]
    out[#out + 1] = body
  end
end
return out
